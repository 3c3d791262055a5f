"""Make this example and show what it looks at.

    python -m examples.photos OUT

makes below OUT what is not there yet: backbone/, crops/, photos/, checkpoint/, models/photos/; then serves the model
and writes an overlay of each photo to OUT/overlays/, and OUT/overlays.jpg with four of them.

Exit code 0: done; 1: a step failed; 2: the packages cannot be fetched.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from examples.photos.make import make
from examples.photos.overlays import draw
from examples.photos.wheels import NotFetched
from examples.serving import running_server


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT")
    out: Path = parser.parse_args(argv).out
    try:
        models = make(out)
    except NotFetched as error:
        print(error, file=sys.stderr)
        return 2
    except subprocess.CalledProcessError:
        return 1  # it has said why
    with running_server(models) as (address, _):
        for path, result in draw(address, out / "photos", out / "overlays"):
            best = result.classes[0]
            print(f"{path.stem}: {best.label} {best.probability:.1%}")
    print(f"{out / 'overlays'}/ and {out / 'overlays.jpg'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
