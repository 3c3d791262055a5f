"""`vitscope evaluate`: its arguments."""

import argparse
import sys
from pathlib import Path

from vitscope.client.commands.arguments import LONGEST_TIMEOUT, number, whole
from vitscope.client.window import DEFAULT_WINDOW
from vitscope.evaluate.errors import EvaluateError
from vitscope.help import Help

FAILED, USAGE = 1, 2
TIMEOUT = 60.0


def main(argv: list[str] | None = None) -> int:
    """Return 0: all measured; 1: images were left out; 2: an expected failure, with a message on stderr."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if not arguments.target and (arguments.model or arguments.version or arguments.versus_version):
        parser.error("--model, --version and --versus-version say which model of a server; add --target HOST:PORT")
    # Not at the top: this may load torch and transformers, and --help or a mistyped option should answer at once.
    from vitscope.dataset import DatasetError
    from vitscope.evaluate.job import run

    try:
        return FAILED if run(arguments) else 0
    except (EvaluateError, DatasetError) as error:
        print(f"vitscope evaluate: {error}", file=sys.stderr)
        return USAGE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vitscope evaluate",
        formatter_class=Help,
        description="Measure a model on labelled images: accuracy by class with confidence intervals, calibration, "
        "confusion matrix and worst mistakes. The same report for a checkpoint, a bundle and a running server; "
        "`vitscope compare` puts several into one table.",
        epilog="Exit status: 0 all measured, 1 images were left out, 2 nothing measured, 130 interrupted.",
    )
    parser.add_argument(
        "--data", required=True, metavar="DIR",
        help="folder with one sub-folder per label, or with train/, val/ and test/ of these; or the id of a data set "
        "on the hub",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the report; new or empty")
    parser.add_argument("--overwrite", action="store_true", help="write into a folder that holds files already")
    source = parser.add_argument_group("what is measured (one of them)").add_mutually_exclusive_group(required=True)
    source.add_argument("--checkpoint", metavar="DIR", help="checkpoint, local folder or hub id, in PyTorch float32")
    source.add_argument("--bundle", type=Path, metavar="DIR", help="bundle, MODELS/NAME/VERSION, as served here")
    source.add_argument("--target", metavar="HOST:PORT", help="running server")
    images = parser.add_argument_group("images")
    images.add_argument(
        "--split", choices=("train", "validation", "test"),
        help="which images of a divided data set (default: test, or validation where there is no test)",
    )  # fmt: skip
    images.add_argument(
        "--seed", type=whole(0), metavar="N",
        help="divide an undivided folder as `vitscope finetune` does with this seed, and measure only the images that "
        "it holds out (default: measure all)",
    )  # fmt: skip
    images.add_argument(
        "--skip-unreadable", action="store_true", help="leave images out that cannot be read, and say which"
    )
    server = parser.add_argument_group("server")
    server.add_argument("--model", default="", metavar="NAME", help="model (default: the only one)")
    server.add_argument("--version", type=whole(1), default=0, metavar="N", help="version (default: the latest)")
    server.add_argument(
        "--versus-version", type=whole(1), metavar="N",
        help="measure this version too, on the same images, and compare it with the first: DIR/1, DIR/2 and the "
        "comparison in DIR",
    )  # fmt: skip
    server.add_argument(
        "--window", type=whole(1), default=DEFAULT_WINDOW, metavar="N", help="images in flight (default: %(default)s)"
    )
    server.add_argument(
        "--tls-roots", type=Path, metavar="FILE", help="use TLS, trusting the certificates in FILE (PEM)"
    )
    server.add_argument(
        "--timeout", type=number(above=0, most=LONGEST_TIMEOUT), default=TIMEOUT, metavar="SECONDS",
        help="longest wait for an answer (default: %(default)g)",
    )  # fmt: skip
    return parser


if __name__ == "__main__":
    sys.exit(main())
