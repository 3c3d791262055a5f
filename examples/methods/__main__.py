"""Compare explanation methods on one model, and print a table in Markdown.

    python -m examples.methods CHECKPOINT BUNDLE PHOTOS

takes the images below PHOTOS that the model is sure of. Beside ours it measures methods that need gradients, in
PyTorch; captum has to be installed: pip install --requirement requirements/methods.txt
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from examples.methods.compare import NAMES, compare
from examples.methods.measure import Material, methods
from examples.methods.pictures import contact
from examples.methods.subject import Subject
from vitscope.image_files import is_image_name


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("checkpoint", "bundle", "photos"):
        parser.add_argument(name, type=Path, metavar=name.upper())
    parser.add_argument("--images", type=int, default=120, help="at most (default: %(default)s)")
    parser.add_argument("--removed", type=int, default=48, help="images to take patches from (default: %(default)s)")
    parser.add_argument("--mosaics", type=int, default=24, help="at most (default: %(default)s)")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="also draw the maps of four images, as PNG")
    arguments = parser.parse_args(argv)
    subject = Subject(arguments.checkpoint, arguments.bundle)
    files = sorted(path for path in arguments.photos.rglob("*") if is_image_name(path))
    chosen = np.linspace(0, len(files) - 1, min(len(files), arguments.images)).round().astype(int)
    images = np.stack([subject.prepared(Image.open(files[index])) for index in chosen])
    if arguments.picture:
        some = images[:: max(len(images) // 4, 1)][:4]
        contact(subject, methods(), some, subject.probabilities(some).argmax(axis=1)).save(arguments.picture)
    print(compare(subject, Material(images, np.empty(0), None, arguments.removed, arguments.mosaics), NAMES))
    return 0


if __name__ == "__main__":
    sys.exit(main())
