"""Which layout a folder has: one sub-folder for each class, or such folders in train/, val/ and test/."""

from pathlib import Path

from vitscope.dataset.errors import DatasetError, counted, listed
from vitscope.dataset.listing import Listing, images_below, listing
from vitscope.dataset.model import SPLITS, TEST, TRAIN, VALIDATION

NAMES = {
    "train": TRAIN, "training": TRAIN,
    "val": VALIDATION, "valid": VALIDATION, "validation": VALIDATION, "dev": VALIDATION,
    "test": TEST, "testing": TEST,
}  # fmt: skip
ACCEPTED = (
    "accepted are <label>/<image>, or train/, val/ and test/ (the last two optional) with <label>/<image> in each"
)


def split_folders(root: Path) -> dict[str, Path]:
    """Return the folder of each split, in the order of SPLITS; {"": root} where the classes are not divided.

    A folder named train, val or test that holds images itself is a class: there are pictures of trains.
    Raises DatasetError for anything but the two layouts.
    """
    if not root.is_dir():
        found = "a file" if root.exists() else "no such folder"
        raise DatasetError(f"{root}: {found}; {ACCEPTED}")
    content = listing(root)
    splits = [folder for folder in content.folders if folder.name.lower() in NAMES and not listing(folder).images]
    if content.images:
        where = "beside its folders" if content.folders else "and no folders"
        raise DatasetError(f"{root}: found {_several(content)} {where}; {ACCEPTED}")
    if not content.folders:
        raise DatasetError(f"{root}: no images and no folders; {ACCEPTED}")
    if not splits:
        _one_too_deep(root, content)
        return {"": root}
    others = [folder for folder in content.folders if folder not in splits]
    if others:
        raise DatasetError(
            f"{root}: mixed layouts: {listed(f'{path.name}/' for path in splits)} beside "
            f"{listed(f'{path.name}/' for path in others)}; {ACCEPTED}"
        )
    return _named(root, splits)


def _named(root: Path, folders: list[Path]) -> dict[str, Path]:
    named: dict[str, Path] = {}
    for folder in folders:
        split = NAMES[folder.name.lower()]
        if split in named:
            raise DatasetError(f"{root}: {named[split].name}/ and {folder.name}/ both name the {split} split; keep one")
        named[split] = folder
    if TRAIN not in named:
        raise DatasetError(f"{root}: found {listed(f'{path.name}/' for path in folders)} and no train/; {ACCEPTED}")
    return {split: named[split] for split in SPLITS if split in named}


def _one_too_deep(root: Path, found: Listing) -> None:
    """Raise DatasetError where the only folder holds the data set, as archives are often unpacked."""
    if len(found.folders) == 1 and not listing(found.folders[0]).images and any(images_below(found.folders[0])):
        inner = found.folders[0]
        raise DatasetError(
            f"{root}: its images lie one folder too deep, in {inner.name}/; give {inner} instead, or move them up; "
            f"{ACCEPTED}"
        )


def _several(found: Listing) -> str:
    return f"{counted(len(found.images), 'image')} ({listed((path.name for path in found.images), 3)})"
