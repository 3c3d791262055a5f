"""Reading every image once: which cannot be read, and which are the same picture."""

import hashlib
import importlib.util
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from vitscope.dataset.errors import DatasetError, counted, listed

Track = Callable[[Sequence[Path]], Iterable[Path]]


def read_contents(paths: Sequence[Path], root: Path, track: Track, skip_unreadable: bool) -> dict[Path, str]:
    """Return a digest of the pixels of each image; those that cannot be read are left out where they may be skipped.

    `track` wraps the list of files, for a progress bar. The same picture in another file format without loss has the
    same digest. Raises DatasetError, which names the unreadable images, unless they are to be skipped.
    """
    _accept_heic()
    digests: dict[Path, str] = {}
    unreadable: dict[Path, str] = {}
    for path in track(paths):
        try:
            digests[path] = _digest(path)
        except Exception as error:  # Pillow's readers raise much more than OSError for damaged files
            unreadable[path] = _reason(path, error)
    if unreadable and not skip_unreadable:
        names = listed(f"{path.relative_to(root)} ({reason})" for path, reason in unreadable.items())
        raise DatasetError(
            f"{root}: {counted(len(unreadable), 'unreadable image')}: {names}; "
            "mend or remove them, or leave them out with --skip-unreadable"
        )
    return digests


def _digest(path: Path) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of sizes that might be an attack, and of damaged metadata
        with Image.open(path) as image:
            pixels = image.convert("RGB")
    return hashlib.blake2b(pixels.tobytes(), digest_size=16, key=f"{pixels.size}".encode()).hexdigest()


def _reason(path: Path, error: Exception) -> str:
    if path.is_symlink() and not path.exists():
        return "a link to a file that is not there"
    if path.suffix.lower() in (".heic", ".heif") and importlib.util.find_spec("pillow_heif") is None:
        return "HEIC needs pillow-heif: pip install 'vitscope[heic]'"
    if path.stat().st_size == 0:
        return "empty file"
    if isinstance(error, UnidentifiedImageError):
        return "not an image"
    return " ".join(str(getattr(error, "strerror", None) or error or type(error).__name__).split())


def _accept_heic() -> None:
    if importlib.util.find_spec("pillow_heif") is not None:
        import pillow_heif

        pillow_heif.register_heif_opener()
