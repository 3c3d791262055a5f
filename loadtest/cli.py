"""`vitscope loadtest`: check options and server, run Locust, show its progress and its summary."""

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console

from vitscope.client.commands.arguments import add_server_option, explain, renamed, whole
from vitscope.client.commands.output import Output
from vitscope.client.commands.streams import fail
from vitscope.client.errors import ClientError
from vitscope.client.sync import Client
from vitscope.help import Help
from vitscope.loadtest.objectives import ObjectivesError, load_objectives
from vitscope.loadtest.options import OptionError, Options, add_options
from vitscope.loadtest.photos import own_photos
from vitscope.loadtest.progress import Progress
from vitscope.loadtest.report import HTML_NAME, JSON_NAME, LOG_NAME, PICTURE_NAME, table

FAILED, USAGE, INTERRUPTED = 1, 2, 130

# Options that are not passed on to Locust.
_OWN = ("server", "metrics", "workers")
_CONNECT_SECONDS = 5.0


def main(argv: list[str] | None = None) -> int:
    """Return 0 if the objectives were met, 1 if not, 2 for a wrong option or no server, 130 if interrupted."""
    if find_spec("locust") is None:  # importing it would patch this process
        raise ModuleNotFoundError("locust is not installed", name="locust")
    arguments = _parser().parse_args(argv)
    try:
        options = Options.of(arguments)
        load_objectives(options.objectives, options.scenario)
        if options.photos is not None:
            own_photos(options.photos)
        options.report.mkdir(parents=True, exist_ok=True)
        _check_models(arguments.server, options)
    except (OptionError, ObjectivesError) as error:
        fail("loadtest", str(error))
        return USAGE
    except ClientError as error:
        fail("loadtest", renamed(explain(error, arguments.server), arguments.server))
        return USAGE
    except OSError as error:
        fail("loadtest", f"--report: {error.filename}: {error.strerror}")
        return USAGE
    return _run(arguments, options)


def _check_models(server: str, options: Options) -> None:
    """Check that the server serves the models. Raises ClientError if it does not answer, else OptionError."""
    with Client(server, root_certificates=options.tls_roots, timeout=_CONNECT_SECONDS) as client:
        found = client.list_models()
    ready = sorted({model.name for model in found if model.state == "ready"})
    known = ", ".join(ready) or "none"
    for name in options.models:
        if name and name not in ready:
            raise OptionError(f"--model: {server} does not serve {name!r}; it serves: {known}")
        if not name and len(ready) != 1:
            raise OptionError(f"--model: not given, and {server} serves not one model but: {known}")


def _run(arguments: argparse.Namespace, options: Options) -> int:
    """Run the load to its end, or until it is interrupted, and print the summary."""
    summary_path = options.report / JSON_NAME
    for name in (JSON_NAME, PICTURE_NAME, HTML_NAME):  # of an earlier run: files of two runs must not mix
        (options.report / name).unlink(missing_ok=True)
    interrupted = False
    with (
        _interruptible(),
        _locust(arguments, options) as (child, lines),
        Progress(options, arguments.metrics or arguments.server) as progress,
    ):
        try:
            for line in lines:
                progress.update(json.loads(line))
        except KeyboardInterrupt:
            interrupted = True
            child.send_signal(signal.SIGINT)
        code = child.wait()
    if not summary_path.exists():
        log = (options.report / LOG_NAME).read_text(errors="replace").strip().splitlines()
        fail("loadtest", "Locust ended early:\n" + "\n".join(log[-12:]))
        return INTERRUPTED if interrupted else USAGE
    summary: dict[str, Any] = json.loads(summary_path.read_text())
    Output().print(table(summary))
    Console(stderr=True, highlight=False).print(f"report: {options.report}", soft_wrap=True)
    return INTERRUPTED if interrupted else FAILED if code else 0


@contextmanager
def _locust(
    arguments: argparse.Namespace, options: Options
) -> Iterator[tuple["subprocess.Popen[bytes]", Iterator[bytes]]]:
    """Start Locust; yields its process and the lines of its live report. Leaving the block kills what is left of it."""
    read, write = os.pipe()
    script = Path(__file__).with_name("locustfile.py")
    command = [sys.executable, "-m", "locust", "-f", str(script), "--headless", "--only-summary", f"--live-fd={write}"]
    command += [f"--host={arguments.server}", f"--html={options.report / HTML_NAME}"]
    command += [f"--processes={arguments.workers}"] if arguments.workers else []
    command += [f"--{name.replace('_', '-')}={value}" for name, value in vars(arguments).items() if name not in _OWN]
    try:
        with (options.report / LOG_NAME).open("wb") as log:
            # In a session of its own, so that Ctrl-C reaches its first process once, from here, and not all of them.
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[write], start_new_session=True
            )
        os.close(write)
        with os.fdopen(read, "rb") as lines:
            yield child, lines
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)  # workers may outlive their master
        child.wait()


@contextmanager
def _interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt on SIGTERM, and on SIGINT even where it is ignored.

    A shell without job control starts background commands with SIGINT ignored, and children inherit that: neither this
    process nor Locust could be interrupted. A handler is not inherited: Locust starts with the default.
    """
    previous = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vitscope loadtest",
        formatter_class=Help,
        description="Send a load to a vitscope server and judge its latency, errors, refusals and goodput.",
        epilog="Scenarios: constant; ramp, which finds the largest load at which the objectives hold; soak; spike, "
        "four times the load for a while; overload, twice the load. Exit status: 0 the objectives were met, 1 they "
        "were not, 2 a wrong option or no server, 130 interrupted.",
    )
    add_server_option(parser)
    parser.add_argument(
        "--metrics",
        default="",
        metavar="URL",
        help="its /metrics, shown beside the load (default: port 8501 of the server)",
    )
    parser.add_argument(
        "--workers",
        type=whole(0, 64),
        default=0,
        metavar="N",
        help="processes that send (default: one, without a master)",
    )
    add_options(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
