"""The checkpoint's own images: some of the data set, kept beside the weights for `vitscope export` to certify on."""

import shutil
from collections.abc import Sequence
from pathlib import Path

SAMPLES = "samples"  # where `vitscope export` looks
FEWEST, MOST = 8, 256  # what it needs and uses
_MOST_BYTES = 64 * 1024 * 1024


def write_samples(checkpoint: Path, test: Sequence[Path], training: Sequence[Path]) -> int:
    """Copy images to `checkpoint`/samples/<label>/ and return their number; 0 where there is such a folder already.

    Every n-th of `test`, which is sorted by label, so that each label has its share: at most 256, and at most 64 MiB.
    Where the test images are too few for an export, training images follow them.
    """
    folder = checkpoint / SAMPLES
    if folder.exists():
        return 0
    chosen = _spread(test, MOST)
    while len(chosen) > 2 * FEWEST and sum(path.stat().st_size for path in chosen) > _MOST_BYTES:
        chosen = _spread(chosen, len(chosen) // 2)
    chosen += _spread(training, max(FEWEST - len(chosen), 0))
    for number, path in enumerate(chosen):
        copy = folder / path.parent.name / path.name
        if copy.exists():  # a training image and a test image of the same name
            copy = copy.with_stem(f"{copy.stem}-{number}")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    return len(chosen)


def _spread(paths: Sequence[Path], most: int) -> list[Path]:
    count = min(len(paths), most)
    return [paths[index * len(paths) // count] for index in range(count)]
