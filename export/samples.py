"""The photos that a bundle brings, so that the explorer has something to show before anybody chooses a photo."""

import io
import re
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from vitscope.bundle import Sample
from vitscope.bundle.samples import MOST, MOST_BYTES
from vitscope.export.errors import ExportError

SHOWCASE = "showcase"
"""A checkpoint's own folder of such photos. Not `samples`: these may be private, and a bundle's are served to all."""

_SUFFIXES = {"JPEG": ".jpg", "PNG": ".png"}
_LONGEST = 48  # of a name, without what makes it different from others
_UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)  # Pillow's PNG reader raises SyntaxError


def read_samples(given: Path | None, checkpoint: Path, labels: Sequence[str]) -> list[tuple[Sample, bytes]]:
    """Read the photos below `given`, or in the checkpoint's own `showcase`; none where it has no such folder.

    A photo's label is the name of its folder, or what its name begins with. Raises ExportError for a folder that is
    missing or empty, for too much, and for what is neither JPEG nor PNG.
    """
    folder = given or checkpoint / SHOWCASE
    if not folder.is_dir():
        if given is None:
            return []
        raise ExportError(f"--samples {folder}: no such folder")
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    size = sum(path.stat().st_size for path in paths)
    if not 0 < len(paths) <= MOST or size > MOST_BYTES:
        raise ExportError(
            f"--samples {folder}: {len(paths)} files of {size / 1024:,.0f} KiB together; accepted: 1 to {MOST} photos "
            f"of up to {MOST_BYTES // 1024} KiB together"
        )
    found, taken = [], set[str]()
    for path in paths:
        data = path.read_bytes()
        where = path.relative_to(folder)
        name = _name(where, _suffix(path, data), taken)
        taken.add(name)
        found.append((Sample(name=name, label=_label(where, labels)), data))
    return found


def _suffix(path: Path, data: bytes) -> str:
    try:
        with Image.open(io.BytesIO(data), formats=tuple(_SUFFIXES)) as image:
            image.load()
            return _SUFFIXES[str(image.format)]
    except _UNREADABLE as error:
        raise ExportError(f"--samples: {path} cannot be read ({error}); accepted: JPEG and PNG") from error


def _name(where: Path, suffix: str, taken: set[str]) -> str:
    """Return a name that is safe in a path and an address, and not taken."""
    plain = _plain(str(where.with_suffix("")))[:_LONGEST].strip("-") or "photo"
    names = (f"{plain}{number}{suffix}" for number in ("", *(f"-{again}" for again in range(2, MOST + 2))))
    return next(name for name in names if name not in taken)


def _label(where: Path, labels: Sequence[str]) -> str | None:
    """Return the longest label that a photo's folder, or else its name, begins with."""
    text = _plain(where.parts[0] if len(where.parts) > 1 else where.stem)
    fitting = [label for label in labels if (plain := _plain(label)) and re.match(rf"{re.escape(plain)}(-|$)", text)]
    return max(fitting, key=len, default=None)


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
