"""HEIC photos, where the package pillow-heif is installed: the extra `heic`."""

from importlib.util import find_spec
from typing import Final

HEIC_AVAILABLE: Final = find_spec("pillow_heif") is not None
HEIC_HINT: Final = "a HEIC photo, which this server reads where vitscope[heic] is installed (pip install pillow-heif)"


def register_heic() -> None:
    """Make Pillow open HEIC photos, where the package is there."""
    if HEIC_AVAILABLE:
        import pillow_heif

        # One thread: each decode thread is planned as one processor.
        pillow_heif.register_heif_opener(decode_threads=1, thumbnails=False, depth_images=False, aux_images=False)
