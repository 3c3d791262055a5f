"""The file name suffixes of the image formats that the server decodes, listed in image.proto."""

from pathlib import PurePath

# In alphabetical order, as messages list them.
SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


def is_image_name(path: PurePath) -> bool:
    """Return whether a file is an image by the suffix of its name, in upper or lower case."""
    return path.suffix.lower() in SUFFIXES
