"""The images that are sent."""

import io
from importlib.util import find_spec
from pathlib import Path

from PIL import Image

from vitscope.loadtest.options import OptionError

# Photos that come with scikit-image, chosen for being photos. Read as files: importing scikit-image would take a second.
_PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "hubble_deep_field.jpg", "retina.jpg", "rocket.jpg")
_QUALITY = 90

# What the server takes.
_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
_MOST_BYTES = 256 * 1024 * 1024

Weighted = list[tuple[bytes, float]]


def sample_photos(sizes: dict[tuple[int, int], float]) -> Weighted:
    """Each photo of scikit-image as a JPEG of each size; a size's weight is shared by its photos. Raises OptionError."""
    found = find_spec("skimage")
    if found is None or found.origin is None:
        raise OptionError(
            "--photos: not given, and scikit-image, whose photos are sent otherwise, is not installed: "
            "pip install 'vitscope[load]'"
        )
    folder = Path(found.origin).parent / "data"
    photos = [Image.open(folder / name).convert("RGB") for name in _PHOTOS]
    return [(_jpeg(photo, size), weight / len(photos)) for size, weight in sizes.items() for photo in photos]


def own_photos(folder: Path) -> Weighted:
    """Every image file of a folder as it is, all equally likely. Raises OptionError."""
    if not folder.is_dir():
        raise OptionError(f"--photos: {folder}: {'not a folder' if folder.exists() else 'no such folder'}")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES and path.is_file())
    if not paths:
        raise OptionError(f"--photos: {folder}: no image in it; accepted: files that end in {', '.join(_SUFFIXES)}")
    size = sum(path.stat().st_size for path in paths)
    if size > _MOST_BYTES:
        raise OptionError(
            f"--photos: {folder}: {size / 2**20:,.0f} MiB of images; accepted: up to {_MOST_BYTES // 2**20} MiB, because "
            "each worker holds them all"
        )
    try:
        return [(path.read_bytes(), 1.0) for path in paths]
    except OSError as error:
        raise OptionError(f"--photos: {error.filename}: {error.strerror}") from error


def _jpeg(photo: Image.Image, size: tuple[int, int]) -> bytes:
    file = io.BytesIO()
    photo.resize(size, Image.Resampling.BICUBIC).save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()
