"""`vitscope finetune`: its arguments."""

import argparse
import sys
from pathlib import Path

from vitscope.finetune.errors import FinetuneError
from vitscope.finetune.options import AUGMENTATION, RECIPE, SCRATCH, add_options
from vitscope.finetune.recipe import Recipe, Scratch
from vitscope.help import Help


def main(argv: list[str] | None = None) -> int:
    """Return 0: done; 2: an expected failure, with a message on stderr."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.out is None and not arguments.dry_run:
        parser.error("--out is needed: the folder for the checkpoint")
    if arguments.resume and arguments.overwrite:
        parser.error("--resume goes on with a run, --overwrite begins it again: choose one")
    # Not at the top: this loads torch and transformers, and --help or a mistyped option should answer at once.
    from vitscope.dataset import DatasetError
    from vitscope.finetune.job import run

    try:
        run(arguments)
    except (FinetuneError, DatasetError) as error:
        print(f"vitscope finetune: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vitscope finetune",
        usage="vitscope finetune DATA --out OUT [--base BASE] [option ...]",
        formatter_class=Help,
        description="Fine-tune a Vision Transformer on labelled images, measure it, and write a Hugging Face "
        "checkpoint that `vitscope export` takes.",
        epilog="What is not given gets a default by mode, base and number of images; --dry-run shows it.",
    )
    parser.add_argument(
        "data", metavar="DATA",
        help="folder with one sub-folder of images for each class, or with such folders in train/, val/ and test/ "
        "(the last two optional); or the id of a data set of the Hugging Face hub",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, help="folder for the checkpoint; a new one")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace the checkpoint in --out, at the end of the run"
    )
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out that was interrupted")
    parser.add_argument(
        "--dry-run", action="store_true",
        help="check data and model, show class counts, augmented images and an estimate of time and memory; train "
        "nothing",
    )  # fmt: skip
    start = parser.add_argument_group("what to start from")
    start.add_argument(
        "--base",
        help="pre-trained checkpoint or backbone: a local folder or an id of the hub; without it, random weights",
    )
    start.add_argument(
        "--mode", choices=("auto", "probe", "lora", "full"),
        help="with --base: probe trains only a new head, on features computed once; lora also small matrices in the "
        "attention; full everything; auto begins with the probe, and keeps more only if validation says that it is "
        "better (default: auto)",
    )  # fmt: skip
    images = parser.add_argument_group("images that are wrong")
    images.add_argument("--skip-unreadable", action="store_true", help="leave out images that cannot be read")
    images.add_argument(
        "--skip-duplicates", action="store_true", help="leave out of training what validation or test images repeat"
    )
    scratch = parser.add_argument_group("shape of a ViT from random weights (sizes: also with --base)")
    scratch.add_argument("--from-scratch", action="store_true", help="say that random weights are meant")
    add_options(scratch, SCRATCH, Scratch())
    add_options(parser.add_argument_group("recipe"), RECIPE, Recipe())
    add_options(parser.add_argument_group("augmentation (0 switches one off)"), AUGMENTATION, Recipe())
    machine = parser.add_argument_group("machine")
    machine.add_argument(
        "--seed", type=int, metavar="INT", help="of weights, splits, order and augmentation (default: 0)"
    )
    machine.add_argument("--device", choices=("auto", "cpu", "cuda"), help="default: a GPU where there is one")
    machine.add_argument(
        "--precision", choices=("auto", "float32", "bfloat16", "float16"),
        help="of matrix products in training (default: bfloat16 where the processor has it)",
    )  # fmt: skip
    machine.add_argument(
        "--threads", type=int, metavar="INT",
        help="default: by the CPU quota, the load and the size of a step; the same number gives the same result",
    )  # fmt: skip
    machine.add_argument(
        "--workers", type=int, metavar="INT", help="processes that read and augment images (default: 0, none)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
