"""What a run shows: one line for each epoch, and below it a bar with images/s and the time that is left."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text
from transformers import TrainerCallback

T = TypeVar("T")


class Speed(ProgressColumn):
    """Images per second."""

    def render(self, task: Task) -> Text:
        """Return the text of one task."""
        return Text(f"{task.speed:,.0f}/s" if task.speed else "", style="progress.data.speed")


class Display:
    """A console on stderr, and bars on it that are gone when they are full."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def say(self, text: str) -> None:
        """Print text as it is, broken between words."""
        self.console.print(text, markup=False, highlight=False)

    def track(self, description: str) -> Callable[[Sequence[T]], Iterable[T]]:
        """Return what wraps a list, and shows how much of it is done."""

        def wrapped(items: Sequence[T]) -> Iterable[T]:
            with self.bars() as bars:
                yield from bars.track(items, total=len(items), description=description)

        return wrapped

    def bars(self) -> Progress:
        """Return bars that are not yet shown."""
        return Progress(
            TextColumn("{task.description}"), BarColumn(bar_width=None), MofNCompleteColumn(), Speed(),
            TimeRemainingColumn(), console=self.console, transient=True,
            disable=not self.console.is_terminal,
        )  # fmt: skip


class Epochs(TrainerCallback):  # type: ignore[misc]
    """The display of one Trainer."""

    def __init__(self, display: Display, stage: str, images: int) -> None:
        self._display, self._stage, self._images = display, stage, images
        self._bars: Progress | None = None
        self._began = time.monotonic()
        self._loss = self._accuracy = self._best = ""
        self._best_rank = float("-inf")

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Show the bar."""
        self._bars = self._display.bars()
        total = args.num_train_epochs * self._images
        done = round((state.epoch or 0) * self._images)
        self._task = self._bars.add_task(self._stage, total=total, completed=done)
        self._bars.start()

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Take the time."""
        self._began = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Move the bar."""
        if self._bars:
            done = round(state.epoch * self._images)
            self._bars.update(self._task, completed=done, description=f"{self._stage}{self._accuracy}")

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:
        """Remember the loss of an epoch."""
        if "loss" in logs:
            self._loss = f"{logs['loss']:.3f}"

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict[str, float], **_: Any) -> None:
        """Print the line of an epoch."""
        seconds = time.monotonic() - self._began
        better = metrics["eval_score"] > self._best_rank
        self._best_rank = max(self._best_rank, metrics["eval_score"])
        self._accuracy = f", validation {metrics['eval_accuracy']:.1%}"
        self._display.say(
            f"  epoch {round(state.epoch):>3}/{args.num_train_epochs}  loss {self._loss}  "
            f"validation {metrics['eval_accuracy']:7.2%}, loss {metrics['eval_loss']:.3f}  "
            f"{self._images / max(seconds, 1e-9):,.0f} images/s{'  *' if better else ''}"
        )

    def close(self) -> None:
        """Remove the bar."""
        if self._bars:
            self._bars.stop()
