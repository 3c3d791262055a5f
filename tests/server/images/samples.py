"""Real photos, encoded in every format, and the input contracts of the served model families."""

import io
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import skimage.data
import sklearn.datasets
from PIL import Image

from vitscope.bundle import InputContract, Padding, Resize, TokenGeometry

HALF = (0.5, 0.5, 0.5)


def contract(size: int = 224, **resize: Any) -> InputContract:
    return InputContract(height=size, width=size, resize=Resize(**resize), mean=HALF, std=HALF)


VIT = contract(mode="squash", height=224, width=224, interpolation="bilinear")
DEIT = contract(mode="squash", height=256, width=256, interpolation="bicubic")
DINOV2 = contract(mode="shortest_edge", edge=256, interpolation="bicubic")
LETTERBOX = InputContract(
    height=224, width=224, mean=HALF, std=HALF, padding=Padding(place="start", fill=(128, 128, 128)),
    resize=Resize(mode="letterbox", height=224, width=224, edge=224, interpolation="bilinear"),
)  # fmt: skip
CROPPED_LETTERBOX = InputContract(
    height=224, width=224, mean=HALF, std=HALF, padding=Padding(place="centre"),
    resize=Resize(mode="letterbox", height=224, width=224, interpolation="bicubic"),
)  # fmt: skip
UNRESIZED = InputContract(
    height=224, width=224, mean=HALF, std=HALF, padding=Padding(place="centre"),
    resize=Resize(mode="none", interpolation="nearest"),
)  # fmt: skip
TOKENS = TokenGeometry(patch_height=16, patch_width=16, grid_rows=14, grid_cols=14, pooling="cls")


@cache
def photos() -> dict[str, Image.Image]:
    """Return every picture of scikit-image and scikit-learn as RGB, except the two TIFFs, which are measurements."""
    folders = [Path(skimage.data.__file__).parent, Path(sklearn.datasets.__file__).parent / "images"]
    files = [f for folder in folders for f in sorted(folder.iterdir()) if f.suffix in {".png", ".jpg", ".gif"}]
    return {file.name: _rgb(file) for file in files}


def _rgb(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    if "append_images" in options:  # copies, because Pillow stores settings of the last encoder in the image
        options["append_images"] = [frame.copy() for frame in options["append_images"]]
    file = io.BytesIO()
    image.copy().save(file, format, **options)
    return file.getvalue()


def oriented(image: Image.Image, format: str, orientation: int) -> bytes:
    """Encode a file whose pixels are stored turned, so that applying `orientation` turns them upright."""
    stored = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    options: dict[str, Any] = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}}.get(format, {})
    return encoded(image if stored is None else image.transpose(stored), format, exif=exif, **options)


def difference(one: Any, other: Any) -> float:
    """Return the mean absolute difference in grey levels."""
    a, b = np.asarray(one, dtype=np.int16), np.asarray(other, dtype=np.int16)
    assert a.shape == b.shape
    return float(np.abs(a - b).mean())
