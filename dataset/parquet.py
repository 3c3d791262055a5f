"""Labelled images in Parquet files, as the hub keeps them, to folders."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vitscope.dataset.errors import DatasetError, listed
from vitscope.dataset.layout import NAMES

# How the first bytes of image files begin: the suffix, where the hub kept no file name.
_SIGNATURES = {b"\x89PNG": ".png", b"\xff\xd8": ".jpg", b"GIF8": ".gif", b"BM": ".bmp", b"RIFF": ".webp"}
_SIGNATURES |= {b"II*\0": ".tif", b"MM\0*": ".tif"}


def unpack(source: str, files: list[Path], out: Path) -> None:
    """Write each row's image to `out`/<split>/<label>/<number>.<suffix>, byte for byte as it is in the file.

    Splits whose labels are hidden (-1) are left out. Raises DatasetError for files without an image and a label column.
    """
    try:
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise DatasetError(f"{source}: reading it needs pyarrow: pip install 'vitscope[hub]'") from error
    numbers: dict[str, int] = {}
    for path in sorted(files):
        split = _split(path)
        try:
            for name, data in _labelled(source, pyarrow.parquet.ParquetFile(path)):
                number = numbers[split] = numbers.get(split, -1) + 1
                target = out / split / name / f"{number:06}{_suffix(data)}"
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
        except pyarrow.ArrowException as error:
            raise DatasetError(f"{source}: {path.name} cannot be read: {' '.join(str(error).split())}") from error
    if not numbers:
        raise DatasetError(f"{source}: no labelled images in it")


def _labelled(source: str, table: Any) -> Iterator[tuple[str, bytes]]:
    """Yield the label, as the name of a folder, and the image file of each row that has both."""
    image, label, names = _columns(source, table.schema_arrow)
    for batch in table.iter_batches(batch_size=256, columns=[image, label]):
        for row in batch.to_pylist():
            value, file = row[label], row[image]
            if value is None or value == -1 or file is None:
                continue
            if names and not 0 <= value < len(names):
                raise DatasetError(f"{source}: label {value} in column {label}; it names {len(names)} labels, from 0")
            name = (names[value] if names else str(value)).replace("/", "-").strip()
            if name in ("", ".", ".."):
                raise DatasetError(f"{source}: a label is called {name!r}; expected what can be the name of a folder")
            if file["bytes"] is None:
                raise DatasetError(f"{source}: its Parquet files name images that are elsewhere; give them as a folder")
            yield name, file["bytes"]


def _columns(source: str, schema: Any) -> tuple[str, str, list[str] | None]:
    """Return the image column, the label column and the label names, if the labels are numbers."""
    raw = (schema.metadata or {}).get(b"huggingface", b"{}")
    features: dict[str, Any] = json.loads(raw).get("info", {}).get("features", {})
    images = [name for name in schema.names if _is_image(schema.field(name), features.get(name))]
    classes = {name: kind["names"] for name, kind in features.items() if _kind(kind) == "ClassLabel"}
    labels = list(classes) or [name for name in schema.names if name in ("label", "labels")]
    for choices in (images, labels):
        choices.sort(key=lambda name: name not in ("image", "img", "label"))
    preferred = labels[:1] if labels and (len(labels) == 1 or labels[0] == "label") else []
    if not images or not preferred:
        raise DatasetError(
            f"{source}: expected a column of images and one of labels, called label where there are several; "
            f"found {listed(schema.names)}"
        )
    return images[0], preferred[0], classes.get(preferred[0])


def _is_image(field: Any, feature: Any) -> bool:
    if _kind(feature) == "Image":
        return True
    kind = field.type
    return feature is None and hasattr(kind, "get_field_index") and kind.get_field_index("bytes") >= 0


def _kind(feature: Any) -> str | None:
    return feature.get("_type") if isinstance(feature, dict) else None


def _split(path: Path) -> str:
    """Return the split of `train-00000-of-00002.parquet` or `train/0000.parquet`."""
    for text in (re.split(r"[-.]", path.name)[0], path.parent.name):
        if text.lower() in NAMES:
            return NAMES[text.lower()]
    return NAMES["train"]


def _suffix(data: bytes) -> str:
    return next((suffix for start, suffix in _SIGNATURES.items() if data.startswith(start)), ".png")
