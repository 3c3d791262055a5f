"""What stands above the photos of a report: all of them with their answers, and the average evidence of each class."""

import base64
import io
from collections import defaultdict
from collections.abc import Sequence
from html import escape

import numpy as np
from PIL import Image, ImageOps

from vitscope.client.report.record import Photo
from vitscope.drawing import Scale, heat_map, png

_SIDE = 72


def summary(photos: Sequence[Photo]) -> str:
    """Return HTML without scripts, styles of its own or outside requests; "" for one photo."""
    if len(photos) < 2:
        return ""
    if photos[0].result.activation == "none":  # there are no probabilities: in the order of the answers
        ranked = sorted(photos, key=lambda photo: photo.result.classes[0].logit, reverse=True)
        marks = {}
    else:
        ranked = sorted(photos, key=lambda photo: photo.result.classes[0].probability, reverse=True)
        marks = {ranked[0].name: "most certain", ranked[-1].name: "least certain"}
    rows = "".join(_row(photo, marks.get(photo.name, "")) for photo in ranked)
    heads = "".join(f'<th scope="col">{name}</th>' for name in ("Photo", "Name", "Answer", "Score", ""))
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    inner = f"<h2>{len(photos)} photos</h2>{table}{_averages(photos)}"
    return f'<section id="summary" aria-label="All photos">{inner}</section>'


def _row(photo: Photo, mark: str) -> str:
    best = photo.result.classes[0]
    score = f"{best.logit:.4g}" if photo.result.activation == "none" else f"{best.probability:.1%}"
    cells = (_thumbnail(photo), escape(photo.name), escape(best.label), score, mark)
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _thumbnail(photo: Photo) -> str:
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(photo.data))).convert("RGB")
    image.thumbnail((_SIDE, _SIDE))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=80)
    return _picture(file.getvalue(), "jpeg", photo.name)


def _picture(data: bytes, kind: str, text: str) -> str:
    return f'<img alt="{escape(text, quote=True)}" src="data:image/{kind};base64,{base64.b64encode(data).decode()}">'


def _averages(photos: Sequence[Photo]) -> str:
    """Draw the mean evidence for the answer over all photos with the same answer, for classes with several."""
    maps: dict[str, list[np.ndarray]] = defaultdict(list)
    for photo in photos:
        if photo.evidence:
            best = photo.result.classes[0]
            maps[best.label] += [
                one.values for one in photo.evidence.maps if one.evidence and one.evidence.explained.index == best.index
            ]
    several = {label: np.mean(found, axis=0) for label, found in maps.items() if len(found) > 1}
    if not several:
        return ""
    most = max(float(np.abs(mean).max()) for mean in several.values()) or 1.0
    scale = Scale(-most, most, "signed")
    figures = "".join(
        f"<figure>{_picture(png(heat_map(mean, scale, 140.0)), 'png', f'average evidence for {label}')}"
        f"<figcaption>{escape(label)}, {len(maps[label])} photos</figcaption></figure>"
        for label, mean in sorted(several.items())
    )
    return f"<h2>Average evidence</h2><p>Orange spoke for the class, blue against it; one scale for all.</p>{figures}"
