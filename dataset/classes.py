"""The classes of one folder and the images of each, with every check that needs no image."""

import unicodedata
from collections.abc import Mapping
from pathlib import Path

from vitscope.dataset.errors import DatasetError, counted, listed
from vitscope.dataset.listing import images_below, listing
from vitscope.image_files import SUFFIXES

Classes = Mapping[str, tuple[Path, ...]]


def read_classes(folder: Path) -> tuple[Classes, list[Path]]:
    """Return the images of each label, sorted by label and by name, and the files that are no images.

    Raises DatasetError, with all that is wrong of one kind, for images outside of a class folder or below one of its
    sub-folders, classes without images, and names that cannot be labels.
    """
    found = listing(folder)
    if found.images:
        names = listed((path.name for path in found.images), 3)
        raise DatasetError(
            f"{folder}: {counted(len(found.images), 'image')} outside of a class folder ({names}); "
            f"expected {folder}/<label>/<image>"
        )
    if not found.folders:
        raise DatasetError(f"{folder}: no class folders; expected {folder}/<label>/<image>")
    folders = _labels(folder, found.folders)
    _check_depth(folder, folders)
    contents = {label: listing(folders[label]) for label in sorted(folders)}
    if empty := [label for label, content in contents.items() if not content.images]:
        others = [path.name for label in empty for path in contents[label].others]
        seen = f"; found {listed(others, 3)}" if others else ""
        raise DatasetError(
            f"{folder}: no images in the class {'folder' if len(empty) == 1 else 'folders'} {listed(empty)}{seen}; "
            f"accepted suffixes are {', '.join(SUFFIXES)}"
        )
    ignored = [path for content in contents.values() for path in content.others]
    return {label: content.images for label, content in contents.items()}, [*found.others, *ignored]


def _check_depth(folder: Path, folders: Mapping[str, Path]) -> None:
    deep = {label: images for label in sorted(folders) if (images := list(images_below(folders[label])))}
    if deep:
        images = [path for label in deep for path in deep[label]]
        raise DatasetError(
            f"{folder}: {counted(len(images), 'image')} too deep, in sub-folders of {listed(deep)} "
            f"({listed((path.relative_to(folder) for path in images), 3)}); "
            f"expected {folder}/<label>/<image>: move them up, or give each sub-folder as a class of its own"
        )


def _labels(folder: Path, folders: tuple[Path, ...]) -> dict[str, Path]:
    """Return the folder of each label. Labels are names in Unicode's composed form, as most systems write them."""
    labels: dict[str, Path] = {}
    for path in folders:
        label = unicodedata.normalize("NFC", path.name)
        if not label.isprintable() or not label.strip():  # also names that are not UTF-8, which Python escapes
            raise DatasetError(f"{folder}: the class folder {path.name!a} is no label; expected printable UTF-8 text")
        if label in labels:
            raise DatasetError(f"{folder}: two class folders are called {label}, in different Unicode forms; join them")
        labels[label] = path
    return labels
