"""The same picture more than once: in two splits it makes a measurement worthless, under two labels one is wrong."""

from collections.abc import Mapping
from pathlib import Path

from vitscope.dataset.classes import Classes
from vitscope.dataset.errors import DatasetError, counted, listed
from vitscope.dataset.model import SPLITS


def without_duplicates(
    splits: Mapping[str, Classes], root: Path, digests: Mapping[Path, str], skip: bool
) -> tuple[dict[str, Classes], list[str]]:
    """Return the splits and a note, without images that a later split has too, where they may be skipped.

    The copy in the test images stays, then the one in validation, so that figures stay comparable.
    Raises DatasetError, which names the pairs, where they may not be skipped.
    """
    latest: dict[str, Path] = {}
    pairs: list[tuple[Path, Path]] = []
    kept: dict[str, Classes] = {}
    for split in reversed([name for name in SPLITS if name in splits]):
        later, latest = latest, dict(latest)
        for paths in splits[split].values():
            for path in paths:
                if (digest := digests[path]) in later:
                    pairs.append((path, later[digest]))
                else:
                    latest.setdefault(digest, path)
        copies = {path for path, _ in pairs}
        kept[split] = {label: tuple(p for p in paths if p not in copies) for label, paths in splits[split].items()}
    if not pairs:
        return {split: splits[split] for split in SPLITS if split in splits}, []
    names = listed(f"{path.relative_to(root)} = {other.relative_to(root)}" for path, other in pairs)
    found = f"{counted(len(pairs), 'image')} of one split {'is' if len(pairs) == 1 else 'are'} in another too: {names}"
    if not skip:
        raise DatasetError(f"{root}: {found}; remove one of each, or leave out the first with --skip-duplicates")
    return {split: kept[split] for split in SPLITS if split in kept}, [f"left out, {found}"]


def contradictions(classes: Mapping[str, tuple[Path, ...]], root: Path, digests: Mapping[Path, str]) -> list[str]:
    """Return a note on pictures that have two labels, if there are any."""
    first: dict[str, tuple[str, Path]] = {}
    found: list[str] = []
    for label, paths in classes.items():
        for path in paths:
            other_label, other = first.setdefault(digests[path], (label, path))
            if other_label != label:
                found.append(f"{other.relative_to(root)} = {path.relative_to(root)}")
    if not found:
        return []
    return [f"{counted(len(found), 'picture')} under two labels, one of which is wrong: {listed(found, 3)}"]
