"""`vitscope classify`: classify images, print a table or JSON lines, write attention overlays."""

import argparse
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from grpc import StatusCode
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vitscope.client.commands.arguments import add_connection_options, connect, explain, number, whole
from vitscope.client.commands.display import block, error_line, json_line, name_line, overlay_line, summary
from vitscope.client.commands.drawing import add_map_options, check_map_options, map_options
from vitscope.client.commands.inputs import Source, find_sources
from vitscope.client.commands.output import Output
from vitscope.client.commands.overlays import OverlayWriter, overlay_writer
from vitscope.client.commands.streams import fail
from vitscope.client.errors import ClientError, InvalidImage, Overloaded
from vitscope.client.request import Options
from vitscope.client.result import Result
from vitscope.client.sync import Client
from vitscope.client.window import DEFAULT_WINDOW, Outcome
from vitscope.help import Help

FAILED, USAGE, INTERRUPTED = 1, 2, 130


def main(argv: list[str] | None = None) -> int:
    """Return 0: all classified; 1: some images failed; 2: a wrong option, no such model, or no server."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    check_map_options(arguments, parser)
    try:
        sources = find_sources(arguments.images)
        writer = _writer(arguments, len(sources))
        with connect(arguments) as client:
            return _run(arguments, client, sources, writer)
    except ClientError as error:
        text = explain(error, arguments.server)
    except BrokenPipeError:
        raise
    except OSError as error:
        text = f"{error.filename}: {error.strerror}" if error.filename else str(error)
    except ValueError as error:
        text = str(error)
    fail("classify", text)
    return USAGE


def _run(arguments: argparse.Namespace, client: Client, sources: list[Source], writer: OverlayWriter | None) -> int:
    out, err = Output(), Console(stderr=True, highlight=False, markup=False, emoji=False)
    # When both are the same terminal, all output must go through the console that draws the progress bar.
    live = out.console if out.console.is_terminal else err
    errors = live if err.is_terminal else err
    done, failed, began = 0, 0, time.monotonic()
    try:
        with _progress(live, len(sources)) as progress:
            task = progress.add_task("classifying", total=len(sources))
            for index, outcome in _in_order(_outcomes(client, sources, _options(arguments, writer), arguments.window)):
                source, overlays = sources[index], []
                if isinstance(outcome, ClientError):
                    if not _is_about_one_image(outcome):
                        raise outcome
                    failed += 1
                elif writer is not None:
                    overlays = writer.write(source, outcome)
                if arguments.json:
                    out.print(json_line(source, outcome, overlays, arguments.maps), soft_wrap=True)
                elif isinstance(outcome, Result):
                    _show(out, source, outcome, overlays)
                else:
                    errors.print(error_line(source, outcome), style="red", soft_wrap=True)
                done += 1
                progress.advance(task)
    except KeyboardInterrupt:
        err.print(f"interrupted, {done:,} of {len(sources):,} done")
        return INTERRUPTED
    if len(sources) > 1:
        err.print(summary(len(sources), failed, time.monotonic() - began))
    return FAILED if failed else 0


def _show(out: Output, source: Source, result: Result, overlays: list[Path]) -> None:
    out.print(name_line(source), soft_wrap=True)
    out.print(block(result))
    for path in overlays:
        out.print(overlay_line(path, "evidence" if result.maps[0].evidence else "attention"), soft_wrap=True)
    out.print("")


def _outcomes(client: Client, sources: list[Source], options: Options, window: int) -> Iterator[Outcome]:
    if len(sources) > 1:
        yield from client.classify_many((source.image for source in sources), window=window, **options)
        return
    # A unary call sends its deadline to the server and honours the pushback that the server returns.
    try:
        yield 0, client.classify(sources[0].image, **options)
    except ClientError as error:
        yield 0, error


def _in_order(outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
    """Yield the outcomes in order of index; hold back those that are early."""
    early: dict[int, Result | ClientError] = {}
    turn = 0
    for index, outcome in outcomes:
        early[index] = outcome
        while turn in early:
            yield turn, early.pop(turn)
            turn += 1


def _is_about_one_image(error: ClientError) -> bool:
    """Return False for an error that every other image would have too: a wrong option, no such model, no server."""
    return isinstance(error, InvalidImage | Overloaded) or error.code in (StatusCode.INTERNAL, StatusCode.UNKNOWN)


def _writer(arguments: argparse.Namespace, images: int) -> OverlayWriter | None:
    return None if arguments.attention is None else overlay_writer(arguments.attention, images, arguments.format)


def _options(arguments: argparse.Namespace, writer: OverlayWriter | None) -> Options:
    options = Options(
        model=arguments.model,
        version=arguments.version,
        top_k=arguments.top,
        min_probability=arguments.min_probability,
    )
    options.update(map_options(arguments, writer.format if writer else ""))
    return options


def _progress(console: Console, images: int) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console, transient=True, disable=images < 2 or not console.is_terminal,
    )  # fmt: skip


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vitscope classify",
        formatter_class=Help,
        description="Classify images on a vitscope server and, when asked, write what the model looked at.",
        epilog="Exit status: 0 all classified, 1 some images failed, 2 a wrong option, no such model or no server, 130 "
        "interrupted.",
    )
    parser.add_argument(
        "images", nargs="+", metavar="IMAGE", help="file, folder (searched recursively), quoted pattern, or - for stdin"
    )
    parser.add_argument("--model", default="", help="model (default: the only one on the server)")
    parser.add_argument(
        "--version", type=whole(1), default=0, metavar="N", help="version of the model (default: the latest)"
    )
    parser.add_argument("--top", type=whole(1), default=0, metavar="N", help="classes to return (default: 5)")
    parser.add_argument(
        "--min-probability",
        type=number(least=0, most=1),
        default=0.0,
        metavar="P",
        help="leave out classes less probable, 0 to 1 (default: 0); not for a model whose answers are plain values",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object a line instead of tables")
    parser.add_argument(
        "--window",
        type=whole(1),
        default=DEFAULT_WINDOW,
        metavar="N",
        help="images in flight when there are several (default: %(default)s)",
    )
    add_map_options(parser)
    add_connection_options(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
