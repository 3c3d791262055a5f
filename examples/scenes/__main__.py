"""Train on scenes whose deciding pixels are known, and compare how well methods find them.

    python -m examples.scenes OUT

makes below OUT what is not there yet: data/, backbone/, checkpoint/, models/scenes/; then prints a table in Markdown.
captum has to be installed: pip install --requirement requirements/methods.txt

Exit code 0: done; 1: a step failed; 2: DINOv2's weights cannot be fetched.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np

from examples.methods.compare import NAMES, compare
from examples.methods.measure import Material, methods
from examples.methods.pictures import contact
from examples.methods.subject import Subject
from examples.photos.wheels import NotFetched
from examples.scenes.make import TEST, make, test_scenes


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--scenes", type=int, default=TEST, help="at most (default: %(default)s)")
    parser.add_argument("--removed", type=int, default=48, help="scenes to take patches from (default: %(default)s)")
    parser.add_argument("--mosaics", type=int, default=24, help="at most (default: %(default)s)")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="also draw the maps of four scenes, as PNG")
    arguments = parser.parse_args(argv)
    try:
        checkpoint, bundle = make(arguments.out)
    except NotFetched as error:
        print(error, file=sys.stderr)
        return 2
    except subprocess.CalledProcessError:
        return 1  # it has said why
    drawn = test_scenes()[: arguments.scenes]
    images, masks = (np.stack([getattr(scene, name) for scene in drawn]) for name in ("image", "mask"))
    subject = Subject(checkpoint, bundle)
    if arguments.picture:
        contact(subject, methods(), images[:4], subject.probabilities(images[:4]).argmax(axis=1)).save(
            arguments.picture
        )
    material = Material(images, np.empty(0), masks, arguments.removed, arguments.mosaics)
    print(compare(subject, material, ["energy", "IoU", *NAMES]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
