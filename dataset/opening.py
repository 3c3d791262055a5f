"""From a folder or the id of a hub data set to a checked data set."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from vitscope.dataset.classes import Classes, read_classes
from vitscope.dataset.contents import Track, read_contents
from vitscope.dataset.duplicates import contradictions, without_duplicates
from vitscope.dataset.errors import DatasetError, counted, listed
from vitscope.dataset.layout import split_folders
from vitscope.dataset.model import SPLITS, TEST, TRAIN, VALIDATION, Dataset, LabelledImage
from vitscope.dataset.splitting import hold_out

UNDIVIDED = ""


def open_dataset(
    source: str | Path,
    *,
    seed: int = 0,
    split: bool = True,
    skip_unreadable: bool = False,
    skip_duplicates: bool = False,
    track: Track = iter,
) -> Dataset:
    """Return the labelled images of a folder, or of a hub data set `owner/name`, after checking all of them.

    Without train/, val/ and test/, 15 % of each class are held out for validation and for the test each, drawn by
    `seed`; with train/ alone or beside test/, 15 % of train/ for validation. With `split` false nothing is held out,
    and images that are not divided are all in `test`. Every image is decoded once; `track` wraps their list, for a
    progress bar.
    Raises DatasetError, before anything else is done, for whatever would make a training or a measurement worthless.
    """
    root = _folder(source)
    found, others = _read(root)
    paths = [path for classes in found.values() for images in classes.values() for path in images]
    digests = read_contents(paths, root, track, skip_unreadable)
    notes = _notes(root, others, [path for path in paths if path not in digests])
    found = {name: _without(classes, digests, root / name) for name, classes in found.items()}
    if UNDIVIDED not in found:
        found, left_out = without_duplicates(found, root, digests, skip_duplicates)
        notes += left_out
        found = {name: _without(classes, digests, root / name) for name, classes in found.items()}
    notes += contradictions(_joined(found), root, digests)
    if split:
        found, how = _divide(found, root, digests, seed)
        notes += how
    elif UNDIVIDED in found:
        found = {TEST: found[UNDIVIDED]}
    labels = _labels(root, found)
    notes += [
        f"{name}: no images of {listed(missing)}"
        for name, classes in found.items()
        if (missing := [label for label in labels if not classes.get(label)])
    ]
    splits = {
        name: tuple(LabelledImage(path, index) for index, label in enumerate(labels) for path in classes.get(label, ()))
        for name, classes in found.items()
    }
    return Dataset(labels, splits, tuple(notes), _fingerprint(labels, splits, root, digests))


def _folder(source: str | Path) -> Path:
    path = Path(source)
    if path.exists() or isinstance(source, Path):
        return path
    # Not at the top: only data sets of a hub need its library.
    from vitscope.dataset.hub import fetch, is_id

    return fetch(source) if is_id(source) else path


def _read(root: Path) -> tuple[dict[str, Classes], list[Path]]:
    found: dict[str, Classes] = {}
    others: list[Path] = []
    for name, folder in split_folders(root).items():
        found[name], ignored = read_classes(folder)
        others += ignored
    labels = _labels(root, found)
    if len(labels) < 2:
        raise DatasetError(f"{root}: found one class, {labels[0]}; at least 2 are needed, one sub-folder for each")
    return found, others


def _labels(root: Path, found: Mapping[str, Classes]) -> tuple[str, ...]:
    """Return the labels, which are those of the training images where there are any."""
    first = found.get(TRAIN, next(iter(found.values())))
    for name, classes in found.items():
        if unknown := sorted(set(classes) - set(first)):
            raise DatasetError(
                f"{root}: {name} has {counted(len(unknown), 'class', 'classes')} that train has not: "
                f"{listed(unknown)}; train has {listed(first)}"
            )
    return tuple(first)


def _without(classes: Classes, digests: Mapping[Path, str], where: Path) -> Classes:
    """Return the images that are not left out. Raises DatasetError for a class that has none then."""
    kept = {label: tuple(path for path in paths if path in digests) for label, paths in classes.items()}
    if empty := [label for label, paths in kept.items() if not paths]:
        raise DatasetError(f"{where}: no image of {listed(empty)} is left, all were left out")
    return kept


def _divide(
    found: Mapping[str, Classes], root: Path, digests: Mapping[Path, str], seed: int
) -> tuple[dict[str, Classes], list[str]]:
    divided = dict(found)
    notes: list[str] = []
    if UNDIVIDED in found:
        divided[TRAIN], divided[TEST] = hold_out(divided.pop(UNDIVIDED), root, digests, seed, least=3)
        notes.append(f"test: {_share(divided, TEST)} of each class held out, drawn by seed {seed}")
    if VALIDATION not in found:
        divided[TRAIN], divided[VALIDATION] = hold_out(divided[TRAIN], root, digests, seed + 1)
        share = _share(divided, VALIDATION)
        notes.append(f"validation: {share} of each class held out of the training images, drawn by seed {seed}")
    return {name: divided[name] for name in SPLITS if any(divided.get(name, {}).values())}, notes


def _share(divided: Mapping[str, Classes], split: str) -> str:
    held, kept = (sum(map(len, divided[name].values())) for name in (split, TRAIN))
    return f"{held / (held + kept):.0%}"


def _joined(found: Mapping[str, Classes]) -> dict[str, tuple[Path, ...]]:
    labels = sorted({label for classes in found.values() for label in classes})
    return {label: tuple(path for classes in found.values() for path in classes.get(label, ())) for label in labels}


def _notes(root: Path, others: Sequence[Path], unreadable: Sequence[Path]) -> list[str]:
    notes = []
    if others:
        names = listed((path.relative_to(root) for path in others), 3)
        notes.append(f"left out {counted(len(others), 'file')} whose suffix is not of an image: {names}")
    if unreadable:
        names = listed(path.relative_to(root) for path in unreadable)
        notes.append(f"left out {counted(len(unreadable), 'unreadable image')}: {names}")
    return notes


def _fingerprint(
    labels: Sequence[str],
    splits: Mapping[str, tuple[LabelledImage, ...]],
    root: Path,
    digests: Mapping[Path, str],
) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for label in labels:
        digest.update(label.encode() + b"\0")
    for name, images in splits.items():
        digest.update(name.encode() + b"\0")
        for image in images:
            line = f"{image.path.relative_to(root).as_posix()}\0{image.label}\0{digests[image.path]}\0"
            digest.update(line.encode(errors="surrogateescape"))
    return digest.hexdigest()
