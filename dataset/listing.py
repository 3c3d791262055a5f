"""What lies in one folder, without the files that systems and tools leave there."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vitscope.dataset.errors import DatasetError
from vitscope.image_files import is_image_name

# What unpacking an archive made on a Mac leaves.
_LEFTOVERS = {"__macosx"}


@dataclass(frozen=True)
class Listing:
    """The entries of one folder, each sorted by name: sub-folders, images (by suffix), and other files."""

    folders: tuple[Path, ...]
    images: tuple[Path, ...]
    others: tuple[Path, ...]


def listing(folder: Path) -> Listing:
    """Return what lies in `folder`. Hidden entries are left out, links followed; a link to nowhere counts as a file.

    Raises DatasetError where the folder cannot be read.
    """
    try:
        entries = sorted(path for path in folder.iterdir() if not _is_leftover(path))
    except OSError as error:
        raise DatasetError(f"{folder}: cannot be read ({error.strerror})") from error
    folders = tuple(path for path in entries if path.is_dir())
    files = [path for path in entries if path not in folders]
    return Listing(
        folders,
        tuple(path for path in files if is_image_name(path)),
        tuple(path for path in files if not is_image_name(path)),
    )


def images_below(folder: Path) -> Iterator[Path]:
    """Yield the images in the sub-folders of `folder`, at any depth, not those in itself; each folder once."""
    seen = {folder.resolve()}
    waiting = list(listing(folder).folders)
    while waiting:
        inner = waiting.pop(0)
        if inner.resolve() in seen:  # a link that leads back up
            continue
        seen.add(inner.resolve())
        found = listing(inner)
        yield from found.images
        waiting += found.folders


def _is_leftover(path: Path) -> bool:
    return path.name.startswith(".") or path.name.lower() in _LEFTOVERS
