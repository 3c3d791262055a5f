"""The real images that an export is certified on."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from vitscope.bundle import Variant
from vitscope.bundle.hashing import sha256_of
from vitscope.export.errors import ExportError
from vitscope.image_files import SUFFIXES, is_image_name

SAMPLES = "samples"  # a checkpoint's own images, where --calibration names none
FEWEST, MOST = 8, 256
# For int8 and fp8: images that ranges are taken from, and how many there must be to keep these apart from the
# certificate's.
RANGES, APART = 128, 128
NAMED = 5  # broken images that an error names
_UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)  # Pillow's PNG reader raises SyntaxError


@dataclass(frozen=True)
class ImageSet:
    """The files to compare on. found: images in the folder, of which at most 256 are used. sha256: of their contents.

    ranges: for int8 and fp8, at most 128 other files for the ranges of activations; the same files if there are too
    few.
    """

    folder: Path
    files: tuple[Path, ...]
    found: int
    ranges: tuple[Path, ...] = ()

    @property
    def apart(self) -> bool:
        """True if int8 and fp8 are measured on other images than their ranges come from."""
        return not set(self.files) & set(self.ranges)

    @property
    def sha256(self) -> str:
        return hashlib.sha256("".join(map(sha256_of, self.files)).encode()).hexdigest()


def find_images(calibration: Path | None, checkpoint: Path, variants: Sequence[Variant] = ()) -> ImageSet:
    """Find images below `calibration`, or by default in the checkpoint's own `samples` folder.

    Of more than 256 images every n-th is taken, so that each sub-folder has its share. For `variants`, from 128 images
    on, the certificate gets at most half of them, and the ranges come from the others.
    Raises ExportError if there is no such folder or it holds fewer than 8 images.
    """
    folder = calibration or checkpoint / SAMPLES
    if calibration is not None and calibration.is_file():
        raise ExportError(f"--calibration {folder}: a file; accepted: a folder of images")
    if not folder.is_dir():
        if calibration is None:
            purpose, way_out = (
                "the certificate compares every engine with the checkpoint on",
                (", or --no-certificate (the server then says that the model is uncertified and uses float32 only)"),
            )
            if variants:
                asked = f"--{variants[0]}"
                purpose, way_out = f"{asked} takes its ranges from, and is certified on,", f", or leave out {asked}"
            raise ExportError(
                f"--calibration: {purpose} real images, and the checkpoint has no {SAMPLES}/ folder; give a folder of "
                f"at least {FEWEST} images{way_out}"
            )
        raise ExportError(f"--calibration {folder}: no such folder")
    found = sorted(
        path for path in folder.rglob("*") if is_image_name(path) and path.is_file() and not path.name.startswith(".")
    )
    if len(found) < FEWEST:
        raise ExportError(
            f"--calibration {folder}: {len(found)} images; at least {FEWEST} are needed ({', '.join(SUFFIXES)})"
        )
    if not variants:
        return ImageSet(folder, _every_nth(found, MOST), len(found))
    if len(found) < APART:
        return ImageSet(folder, tuple(found), len(found), tuple(found))
    files = _every_nth(found, min(MOST, len(found) // 2))
    others = sorted(set(found).difference(files))
    return ImageSet(folder, files, len(found), _every_nth(others, RANGES))


def _every_nth(paths: Sequence[Path], most: int) -> tuple[Path, ...]:
    chosen = np.linspace(0, len(paths) - 1, min(len(paths), most)).round().astype(int)
    return tuple(paths[index] for index in chosen)


def check_images(files: Iterable[Path]) -> None:
    """Decode every file before the long stages begin. Raises ExportError that lists the broken ones."""
    broken, count = [], 0
    for path in files:
        count += 1
        try:
            with Image.open(path) as file:
                file.draft("RGB", (1, 1))  # decodes a JPEG to its end, at reduced resolution
                file.load()
        except _UNREADABLE as error:
            broken.append(f"{path} ({error})")
    if broken:
        more = f" and {len(broken) - NAMED} more" if len(broken) > NAMED else ""
        raise ExportError(
            f"--calibration: {len(broken)} of {count} images cannot be read: {', '.join(broken[:NAMED])}{more}; remove "
            "or replace them"
        )


def read_image(path: Path) -> Image.Image:
    """Read an upright RGB image. Raises ExportError if the file cannot be read."""
    try:
        with Image.open(path) as file:
            return ImageOps.exif_transpose(file).convert("RGB")
    except _UNREADABLE as error:
        raise ExportError(f"--calibration: {path} is not a readable image ({error})") from error
