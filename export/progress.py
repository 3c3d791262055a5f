"""Progress of an export: stages, bars and warnings."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

T = TypeVar("T")


class Reporter(Protocol):
    """Receives each stage as it begins."""

    def stage(self, text: str) -> AbstractContextManager[object]:
        """Report a stage of unknown length, which ends with the block."""
        ...

    def track(self, items: Sequence[T], text: str) -> Iterable[T]:
        """Report a stage that iterates over `items`."""
        ...

    def warn(self, text: str) -> None:
        """Report a possible mistake that does not stop the export."""
        ...


class Silent:
    """Reports nothing."""

    def stage(self, text: str) -> AbstractContextManager[object]:
        return nullcontext()

    def track(self, items: Sequence[T], text: str) -> Iterable[T]:
        return items

    def warn(self, text: str) -> None:
        pass


class Terminal:
    """One line per stage: a spinner or a bar while it runs, then the time that it took."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def stage(self, text: str) -> AbstractContextManager[object]:
        progress = self._progress()
        progress.add_task(text, total=None)
        return _Stage(progress)

    def track(self, items: Sequence[T], text: str) -> Iterable[T]:
        with self._progress() as progress:
            yield from progress.track(items, description=text)

    def warn(self, text: str) -> None:
        self._console.print(f"warning: {text}", style="yellow", markup=False, soft_wrap=True)

    def _progress(self) -> Progress:
        return Progress(
            SpinnerColumn(finished_text="[green]✓"), TextColumn("{task.description}"), BarColumn(bar_width=24),
            TimeElapsedColumn(), console=self._console,
        )  # fmt: skip


class _Stage(AbstractContextManager[object]):
    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def __enter__(self) -> None:
        self._progress.start()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            for task in self._progress.task_ids:
                self._progress.update(task, total=1, completed=1)
        self._progress.stop()
