"""One run of `vitscope evaluate`."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from vitscope.client.errors import ClientError
from vitscope.client.sync import Client
from vitscope.dataset import open_dataset
from vitscope.evaluate.asking import Asked, ask, shown_path
from vitscope.evaluate.card import Card
from vitscope.evaluate.compare_report import verdict, write_comparison
from vitscope.evaluate.comparison import compare
from vitscope.evaluate.data import Selection, root_of, select
from vitscope.evaluate.errors import EvaluateError
from vitscope.evaluate.predictions import Unreadable
from vitscope.evaluate.progress import counter, tracker
from vitscope.evaluate.records import read_records
from vitscope.evaluate.report import write_report
from vitscope.evaluate.sources.source import Source
from vitscope.evaluate.summary import read_summary, summary_table
from vitscope.tables import terminal_width, text_table


def run(arguments: argparse.Namespace) -> bool:
    """Measure, write the report and print its main figures. Returns whether images were left out.

    Raises EvaluateError or DatasetError.
    """
    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    check_out(arguments.out, arguments.overwrite)
    data = open_dataset(
        arguments.data,
        seed=arguments.seed or 0,
        split=arguments.seed is not None,
        skip_unreadable=arguments.skip_unreadable,
        skip_duplicates=True,
        track=tracker(console, "reading the images"),
    )
    for note in data.notes:
        console.print(note, soft_wrap=True)
    selection = select(data, arguments.split)
    versions = [arguments.version, *([arguments.versus_version] if arguments.versus_version else [])]
    folders = [arguments.out / str(at) for at in (1, 2)] if len(versions) > 1 else [arguments.out]
    left_out = any("unreadable" in note for note in data.notes)
    names: list[str] = []
    for version, folder in zip(versions, folders, strict=True):
        with _source(arguments, version) as source:
            if source.name in names:
                raise EvaluateError(f"--versus-version {version}: {source.name} is what it is compared with")
            names.append(source.name)
            with counter(console, f"asking {source.name}", len(selection.paths)) as done:
                asked = ask(source, selection, done)
            _report(arguments, source, selection, asked, folder)
            left_out |= _say(console, asked)
    summaries = [read_summary(folder) for folder in folders]
    print(text_table(*summary_table(summaries), width=terminal_width()))
    if len(folders) > 1:
        first, second = (read_records(folder) for folder in folders)
        comparison = compare(first, second)
        write_comparison(comparison, summaries, arguments.out, root_of(arguments.data, selection.paths))
        print(verdict(comparison, summaries[0].title, summaries[1].title))
    console.print(f"wrote {arguments.out / 'README.md'}", soft_wrap=True)
    return left_out


def check_out(out: Path, overwrite: bool) -> None:
    """Raise EvaluateError for a folder that holds files, unless these may be overwritten."""
    if out.exists() and not out.is_dir():
        raise EvaluateError(f"--out {out}: a file; accepted: a folder")
    if out.is_dir() and any(out.iterdir()) and not overwrite:
        raise EvaluateError(f"--out {out}: holds files already; accepted: a new or empty folder, or --overwrite")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EvaluateError(f"--out {out}: cannot be made ({error.strerror})") from error


@contextmanager
def _source(arguments: argparse.Namespace, version: int) -> Iterator[Source]:
    if arguments.checkpoint:
        # Here, since only this needs torch.
        try:
            from vitscope.evaluate.sources.checkpoint import CheckpointSource
        except ModuleNotFoundError as error:
            raise EvaluateError(
                f"--checkpoint needs {error.name}, which is not installed: pip install 'vitscope[export]'"
            ) from error
        yield CheckpointSource(arguments.checkpoint)
    elif arguments.bundle:
        from vitscope.evaluate.sources.bundle import served_bundle

        with served_bundle(arguments.bundle, arguments.timeout, arguments.window) as source:
            yield source
    else:
        from vitscope.evaluate.sources.server import ServerSource

        try:
            client = Client(arguments.target, root_certificates=arguments.tls_roots, timeout=arguments.timeout)
        except ClientError as error:
            raise EvaluateError(f"--target {arguments.target}: {error}") from error
        with client:
            yield ServerSource(client, arguments.target, arguments.model, version, arguments.window)


def _report(arguments: argparse.Namespace, source: Source, selection: Selection, asked: Asked, folder: Path) -> None:
    root = root_of(arguments.data, selection.paths)
    card = Card(
        name=source.name,
        data=root.resolve().name,
        split=selection.split,
        settings={"measured": source.kind, **source.settings, "images/s": f"{asked.rate:.1f}"},
        unreadable=tuple(Unreadable(shown_path(one.path, root), one.reason) for one in asked.unreadable),
        notes=selection.data.notes,
        library=None,
    )
    write_report(asked.predictions, folder, source.temperature, card=card, root=root)


def _say(console: Console, asked: Asked) -> bool:
    """Name the images that were not answered. Returns whether there are any."""
    for one in asked.unreadable:
        console.print(f"{one.path}: {one.reason}", style="red", soft_wrap=True)
    if asked.unreadable:
        total = len(asked.predictions) + len(asked.unreadable)
        console.print(f"{len(asked.unreadable):,} of {total:,} images were not answered, and are in no figure")
    return bool(asked.unreadable)
