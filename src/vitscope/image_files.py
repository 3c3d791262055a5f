"""The file name suffixes of the image formats that the server decodes, listed in image.proto.

HEIC is among them though only a server with its extra reads it: a photo that is refused with the reason is better than
one that is left out in silence.
"""

from pathlib import PurePath

# In alphabetical order, as messages list them.
SUFFIXES = (".avif", ".bmp", ".gif", ".heic", ".heif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


def is_image_name(path: PurePath) -> bool:
    """Return whether a file is an image by the suffix of its name, in upper or lower case."""
    return path.suffix.lower() in SUFFIXES
