"""Dividing the images of each class by chance, always the same for the same seed and files."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

SHARE = 0.15
MOST = 5000


def hold_out(
    classes: Mapping[str, Sequence[Path]], root: Path, digests: Mapping[Path, str], seed: int, least: int = 2
) -> tuple[dict[str, tuple[Path, ...]], dict[str, tuple[Path, ...]]]:
    """Return (kept, held out): 15 % of each class, and about 5,000 in all at most; of fewer than `least` images none.

    Which images is drawn from the seed and the file's name, so that another image more does not shuffle all the others.
    Copies of one picture stay together, since a copy in training makes a measurement worthless.
    """
    kept: dict[str, tuple[Path, ...]] = {}
    held: dict[str, tuple[Path, ...]] = {}
    chosen: set[str] = set()
    spared: set[str] = set()
    share = min(SHARE, MOST / max(sum(len(paths) for paths in classes.values()), 1))
    for label, paths in classes.items():
        count = max(round(len(paths) * share), 1) if len(paths) >= least else 0
        copies: dict[str, list[Path]] = {}
        for path in paths:
            copies.setdefault(digests[path], []).append(path)
        taken: set[Path] = {path for path in paths if digests[path] in chosen}
        for path in sorted(paths, key=lambda path: _draw(path.relative_to(root), seed)):
            if len(taken) < count and digests[path] not in spared:
                chosen.add(digests[path])
                taken.update(copies[digests[path]])
        taken = taken if len(taken) < len(paths) else set()
        kept[label] = tuple(path for path in paths if path not in taken)
        held[label] = tuple(path for path in paths if path in taken)
        spared.update(digests[path] for path in kept[label])
    return kept, held


def _draw(name: Path, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed}/{name.as_posix()}".encode(errors="surrogateescape"), digest_size=8).digest()
