"""`vitscope export`: arguments, progress and the summary."""

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from vitscope.bundle import Bundle, BundleError
from vitscope.export.errors import ExportError
from vitscope.help import Help

if TYPE_CHECKING:
    from vitscope.export.job import ExportJob


def main(argv: list[str] | None = None) -> int:
    """Run the command.

    Returns 0; 2 after an expected failure, with a message on stderr; 1 if the bundle was published and only building
    the engine failed.
    """
    arguments = _parser().parse_args(argv)
    console = Console(stderr=True, highlight=False)
    try:
        bundle = run(arguments, console)
    except (ExportError, BundleError) as error:
        print(f"vitscope export: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        raise
    except OSError as error:  # reading has errors of its own, so this is the destination
        where = f": {error.filename}" if error.filename else ""
        print(f"vitscope export: --out {arguments.out}{where}: {error.strerror or error}", file=sys.stderr)
        return 2
    return build_engine(bundle, arguments.engine) if arguments.engine else 0


def build_engine(bundle: Bundle, engine: str) -> int:
    """Build an engine for a bundle as the server would on this machine. Returns 0, or 1 if that failed.

    It runs in a process of its own: code of the server is not loaded beside torch.
    """
    command = (sys.executable, "-m", "vitscope.server.tools.build_engine", str(bundle.path), "--engine", engine)
    return subprocess.run(command, check=False).returncode and 1


def run(arguments: argparse.Namespace, console: Console) -> Bundle:
    """Export and print the summary. Raises ExportError or BundleError."""
    # Not at the top: these load torch and transformers, and --help or a mistyped option should answer at once.
    from vitscope.export.pipeline import export_checkpoint
    from vitscope.export.progress import Terminal
    from vitscope.export.report import show

    began = time.monotonic()
    job = _job(arguments)
    bundle, images = export_checkpoint(job, Terminal(console))
    show(console, bundle, job.models, images)
    console.print(f"Done in {time.monotonic() - began:.0f} s.")
    return bundle


def _job(arguments: argparse.Namespace) -> "ExportJob":
    from vitscope.export.checkpoint.preprocess import Size
    from vitscope.export.job import ExportJob

    return ExportJob(
        checkpoint=arguments.checkpoint,
        models=arguments.out,
        name=arguments.name,
        version=arguments.version,
        base=arguments.base,
        processor=arguments.processor,
        labels=arguments.labels,
        architecture=arguments.architecture,
        calibration=arguments.calibration,
        size=Size(*arguments.size) if arguments.size else None,
        attention=arguments.attention,
        evidence=arguments.evidence,
        full=arguments.full,
        certificate=arguments.certificate,
        faithfulness=arguments.faithfulness,
        allow_uncertified=arguments.allow_uncertified,
        int8=arguments.int8,
        fp8=arguments.fp8,
        head=arguments.head,
        samples=arguments.samples,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vitscope export",
        formatter_class=Help,
        description="Turn a fine-tuned Vision Transformer (ViT, DeiT, DINOv2, BEiT, CLIP, SigLIP, Swin, Hiera and "
        "others of docs/models.md; Hugging Face format, timm, torchvision) into a bundle that `vitscope serve` takes, "
        "and certify every engine and precision against the checkpoint on real images.",
    )
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="folder of the checkpoint, or its id on the hub")
    parser.add_argument("--name", required=True, help="name of the model in the service")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="models folder; DIR/NAME/VERSION is made"
    )
    parser.add_argument("--version", type=_positive, help="version number (default: the next free one)")
    parser.add_argument(
        "--processor", metavar="FOLDER_OR_ID",
        help="where the image processor is, for a checkpoint that was saved without it: mostly the checkpoint that it "
        "was made of (default: CHECKPOINT)",
    )  # fmt: skip
    parser.add_argument(
        "--labels", metavar="FILE",
        help="names of the classes: a file with a name on each line or JSON, or the word imagenet (default: those of "
        "config.json)",
    )  # fmt: skip
    parser.add_argument(
        "--architecture", metavar="NAME",
        help="for a CHECKPOINT that is a file of weights (.pt, .pth, .ckpt, .safetensors): the model in timm, such as "
        "vit_base_patch16_224, or torchvision, such as vit_b_16, that they are for, or a folder or hub id with its "
        "config.json",
    )  # fmt: skip
    parser.add_argument(
        "--base", metavar="FOLDER_OR_ID",
        help="what a PEFT adapter is merged into (default: the base that the adapter names)",
    )  # fmt: skip
    parser.add_argument(
        "--calibration", type=Path, metavar="DIR",
        help="real images for the certificate, searched recursively; at most 256 are used "
        "(default: CHECKPOINT/samples)",
    )  # fmt: skip
    parser.add_argument(
        "--samples", type=Path, metavar="DIR",
        help="up to 8 JPEG or PNG files, 200 KiB together, that the bundle brings and the explorer shows the model "
        "with, in folders named after their classes or with names that begin with these; whoever reaches the server "
        "sees them, with their metadata (default: CHECKPOINT/showcase, where there is one)",
    )  # fmt: skip
    parser.add_argument(
        "--attention",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="attention rows of the class token in the graphs (default: yes)",
    )
    parser.add_argument(
        "--evidence", action=argparse.BooleanOptionalAction, default=True,
        help="a graph of the evidence of each patch for any class (default: yes)",
    )  # fmt: skip
    parser.add_argument(
        "--full", action=argparse.BooleanOptionalAction, default=True,
        help="a graph of everything inside of the encoder, for `vitscope matrices` and rollout: it shares the weights "
        "of the others, and the server loads it when it is asked for (default: yes)",
    )  # fmt: skip
    parser.add_argument(
        "--size", type=_size, metavar="N|HxW", help="input size in pixels (default: that of the checkpoint's processor)"
    )
    parser.add_argument(
        "--head", choices=("softmax", "sigmoid", "none"),
        help="what the head's outputs mean: one class of several, independent labels, or plain values as in regression "
        "(default: as transformers' own pipeline takes the checkpoint, by problem_type and the number of labels)",
    )  # fmt: skip
    parser.add_argument(
        "--certificate", action=argparse.BooleanOptionalAction, default=True,
        help="compare with the checkpoint; without it the server flags the model and uses float32 only (default: yes)",
    )  # fmt: skip
    parser.add_argument(
        "--faithfulness", action=argparse.BooleanOptionalAction, default=True,
        help="measure in the certificate whether evidence says what the model goes by, by taking patches away: the "
        "summary says where it is not certainly better than chance, and where it is worse the export fails (default: "
        "yes)",
    )  # fmt: skip
    parser.add_argument(
        "--allow-uncertified", action="store_true",
        help="publish even if bf16 falls below its bar; the server will not use it. float32 must always pass",
    )  # fmt: skip
    parser.add_argument(
        "--int8", action="store_true",
        help="add graphs with 8-bit linear layers, if they pass the certificate: the server uses them where they "
        "measure faster. Their ranges come from images of --calibration too, 128 or more in all being best",
    )  # fmt: skip
    parser.add_argument(
        "--fp8", action="store_true",
        help="add graphs with 8-bit floating-point products (E4M3), linear and attention, if they pass the "
        "certificate: for TensorRT on GPUs of compute capability 8.9 and higher. Their ranges come from at most 128 "
        "images of --calibration (NVIDIA advises 500, but the ranges of E4M3 are wide: see docs/export.md)",
    )  # fmt: skip
    parser.add_argument(
        "--engine", choices=("tensorrt", "onnxruntime-cuda", "openvino", "onnxruntime"),
        help="afterwards build, check and measure this engine on this machine, as `vitscope build-engine` does",
    )  # fmt: skip
    return parser


def _positive(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text):
        raise argparse.ArgumentTypeError(f"found {text!r}, accepted is a whole number from 1")
    return int(text)


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([1-9][0-9]{0,4})(?:x([1-9][0-9]{0,4}))?", text)
    if not match:
        raise argparse.ArgumentTypeError(f"found {text!r}, accepted are one side such as 224, or HEIGHTxWIDTH")
    height = int(match[1])
    return height, int(match[2] or height)


if __name__ == "__main__":
    sys.exit(main())
