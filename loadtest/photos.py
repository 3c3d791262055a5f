"""The images that a load test sends."""

import io
from importlib.util import find_spec
from pathlib import Path

from PIL import Image

from vitscope.image_files import SUFFIXES, is_image_name
from vitscope.loadtest.options import OptionError

# Photographs that come with scikit-image. Read as files, because importing scikit-image takes a second.
_PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "hubble_deep_field.jpg", "retina.jpg", "rocket.jpg")
_QUALITY = 90
_MOST_BYTES = 256 * 1024 * 1024

Weighted = list[tuple[bytes, float]]


def sample_photos(sizes: dict[tuple[int, int], float]) -> Weighted:
    """Return each photo of scikit-image as a JPEG of each size, whose weight its photos share. Raises OptionError."""
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
    """Return every image file of a folder unchanged, all with equal weight. Raises OptionError."""
    if not folder.is_dir():
        raise OptionError(f"--photos: {folder}: {'not a folder' if folder.exists() else 'no such folder'}")
    paths = sorted(path for path in folder.iterdir() if is_image_name(path) and path.is_file())
    if not paths:
        raise OptionError(f"--photos: {folder}: no image in it; accepted: files that end in {', '.join(SUFFIXES)}")
    size = sum(path.stat().st_size for path in paths)
    if size > _MOST_BYTES:
        raise OptionError(
            f"--photos: {folder}: {size / 2**20:,.0f} MiB of images; accepted: up to {_MOST_BYTES // 2**20} MiB, "
            "because each worker holds them all"
        )
    try:
        return [(path.read_bytes(), 1.0) for path in paths]
    except OSError as error:
        raise OptionError(f"--photos: {error.filename}: {error.strerror}") from error


def _jpeg(photo: Image.Image, size: tuple[int, int]) -> bytes:
    file = io.BytesIO()
    photo.resize(size, Image.Resampling.BICUBIC).save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()
