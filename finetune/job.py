"""One run of `vitscope finetune`, from its options to the files that it writes."""

import argparse
import time
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from vitscope.dataset import TEST
from vitscope.finetune.dry_run import dry_run
from vitscope.finetune.errors import FinetuneError
from vitscope.finetune.output import Output
from vitscope.finetune.prepare import Prepared, prepare
from vitscope.finetune.progress import Display
from vitscope.finetune.results import RECORD, write_results
from vitscope.finetune.settings import options_of, taken_up
from vitscope.finetune.stages import run_stages


def run(arguments: argparse.Namespace) -> None:
    """Fine-tune, and write an ordinary checkpoint with its report. Raises FinetuneError or DatasetError."""
    display = Display(Console(stderr=True))
    options = options_of(arguments)
    if arguments.dry_run:
        out = arguments.out or Path("finetune")
        dry_run(prepare(arguments.data, out, options, display, None), out, display)
        return
    began = time.monotonic()
    if arguments.out.resolve().is_relative_to(Path(arguments.data).resolve()):
        raise FinetuneError(f"--out {arguments.out}: lies in DATA, where it would be taken for a class; choose another")
    output = Output(arguments.out)
    if arguments.resume and not output.unfinished() and (arguments.out / RECORD).exists():
        display.say(f"{arguments.out}: finished; there is nothing to go on with")
        return
    stored = output.begin(arguments.overwrite, arguments.resume)
    if stored:
        options = taken_up(stored, options)
    prepared = prepare(arguments.data, arguments.out, options, display, stored["threads"] if stored else None)
    display.say(f"{prepared.place}; {prepared.threads}")
    if stored is None:
        output.create({"options": options, **_facts(prepared)})
    elif stored["fingerprint"] != prepared.data.fingerprint:
        raise FinetuneError(
            f"--resume: the images of {arguments.data} have changed since; begin again with --overwrite"
        )
    try:
        history = run_stages(prepared, output, display)
        split, metrics = write_results(arguments.data, prepared, output, history, time.monotonic() - began, display)
    except torch.OutOfMemoryError as error:
        raise FinetuneError(
            f"--batch-size {prepared.recipe.batch_size}: too much for the GPU; halve it, and give --accumulate 2"
        ) from error
    except Exception as error:  # safetensors and torch have errors of their own for a full disk
        if "No space left" not in str(error):
            raise
        raise FinetuneError(f"--out {arguments.out}: no space left on its disk; make room, then --resume") from error
    except KeyboardInterrupt:
        display.say(f"interrupted; the same command with --resume goes on with {arguments.out}")
        raise
    _conclude(arguments.out, split, metrics, display)


def _facts(prepared: Prepared) -> dict[str, Any]:
    return {"fingerprint": prepared.data.fingerprint, "threads": prepared.threads.threads}


def _conclude(out: Path, split: str, metrics: Any, display: Display) -> None:
    share = metrics.accuracy
    display.say(
        f"wrote {out}: {split} accuracy {share.value:.2%} "
        f"(95 % interval {share.low:.1%} to {share.high:.1%}, {metrics.images:,} images)"
    )
    if split != TEST:
        display.say("  measured on the images that chose the weights: expect a little less on others")
    display.say(f"report: {out / 'README.md'}")
    display.console.print(
        f"next: vitscope export {out} --name {out.resolve().name} --out models/",
        soft_wrap=True,
        markup=False,
        highlight=False,
    )
