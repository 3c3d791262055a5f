"""Progress on a terminal: images/s and the time that is left. Elsewhere nothing is shown."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text


class _Rate(ProgressColumn):
    """Images in a second, over the last seconds."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.1f} images/s")


@contextmanager
def counter(console: Console, description: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a bar while the block runs; call what it gives after each image."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(description, total=total)
        yield lambda: progress.advance(task)


def tracker(console: Console, description: str) -> Callable[[Sequence[Path]], Iterable[Path]]:
    """Return what shows a bar while a list of files is gone through."""

    def track(paths: Sequence[Path]) -> Iterable[Path]:
        with counter(console, description, len(paths)) as done:
            for path in paths:
                yield path
                done()

    return track
