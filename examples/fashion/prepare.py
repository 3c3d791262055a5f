"""Fashion-MNIST, as Debian's package dataset-fashion-mnist ships it, into labelled image folders.

    python examples/fashion/prepare.py OUT

writes OUT/train/<label>/<index>.png (60,000) and OUT/test/<label>/<index>.png (10,000): 28x28, grey, 8 bit.
"""

import argparse
import gzip
import sys
from pathlib import Path

import numpy as np
from PIL import Image

SOURCE = Path("/usr/share/datasets/fashion-mnist")
LABELS = (
    "t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle-boot",
)  # fmt: skip


def read_split(name: str, source: Path = SOURCE) -> tuple[np.ndarray, np.ndarray]:
    """One split ("train" or "t10k") of the IDX files: uint8 [N, 28, 28] images and uint8 [N] indices into LABELS."""
    with gzip.open(source / f"{name}-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)
    with gzip.open(source / f"{name}-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    return images, labels


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument(
        "--source", type=Path, default=SOURCE, help="folder of the four IDX files (default: %(default)s)"
    )
    arguments = parser.parse_args()
    if not arguments.source.is_dir():
        print(f"{arguments.source}: not found; on Debian: apt-get install dataset-fashion-mnist", file=sys.stderr)
        return 2
    for split, folder in (("train", "train"), ("t10k", "test")):
        images, labels = read_split(split, arguments.source)
        for label in LABELS:
            (arguments.out / folder / label).mkdir(parents=True, exist_ok=True)
        for index, (image, label) in enumerate(zip(images, labels, strict=True)):
            Image.fromarray(image).save(arguments.out / folder / LABELS[label] / f"{index:05}.png")
        print(f"{arguments.out / folder}: {len(images):,} images")
    return 0


if __name__ == "__main__":
    sys.exit(main())
