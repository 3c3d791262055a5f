"""The checkpoint's own images: some of the data set, kept beside the weights for `vitscope export` to certify on."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from vitscope.dataset import LabelledImage

SAMPLES = "samples"  # where `vitscope export` looks
FEWEST, MOST = 8, 256  # what it needs and uses
_MOST_BYTES = 64 * 1024 * 1024


def write_samples(
    checkpoint: Path, measured: Sequence[LabelledImage], training: Sequence[LabelledImage], labels: Sequence[str]
) -> int:
    """Copy images to `checkpoint`/samples/<label>/ and return their number; 0 where there is such a folder already.

    Every n-th of `measured`, which is sorted by label, so that each label has its share: at most 256, and at most
    64 MiB. Where these are too few for an export, training images follow them.
    """
    folder = checkpoint / SAMPLES
    if folder.exists():
        return 0
    chosen = _spread(measured, MOST)
    while len(chosen) > 2 * FEWEST and sum(image.path.stat().st_size for image in chosen) > _MOST_BYTES:
        chosen = _spread(chosen, len(chosen) // 2)
    chosen += _spread(training, max(FEWEST - len(chosen), 0))
    for number, image in enumerate(chosen):
        copy = folder / labels[image.label] / image.path.name
        if copy.exists():  # a training image and a test image of the same name
            copy = copy.with_stem(f"{copy.stem}-{number}")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(image.path, copy)
    return len(chosen)


def _spread(images: Sequence[LabelledImage], most: int) -> list[LabelledImage]:
    count = min(len(images), most)
    return [images[index * len(images) // count] for index in range(count)]
