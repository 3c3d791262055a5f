"""The learning curves of a training run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.ticker import MaxNLocator

from vitscope.evaluate.history import Epoch
from vitscope.evaluate.pictures.canvas import BLUE, GREY, ORANGE, picture


def draw_learning(history: Sequence[Epoch], path: Path) -> None:
    """Draw the losses, and beside them the validation accuracy where it is known, by epoch."""
    with_accuracy = any(epoch.validation_accuracy is not None for epoch in history)
    with picture(path, 300, 860 if with_accuracy else 480) as figure:
        axes = figure.subplots(1, 2 if with_accuracy else 1, squeeze=False)[0]
        numbers = list(range(1, len(history) + 1))
        _line(axes[0], numbers, [epoch.train_loss for epoch in history], BLUE, "training")
        _line(axes[0], numbers, [epoch.validation_loss for epoch in history], ORANGE, "validation")
        axes[0].set(ylabel="loss (nats)", ylim=(0, None))
        axes[0].legend()
        if with_accuracy:
            accuracy = [epoch.validation_accuracy for epoch in history]
            _line(axes[1], numbers, accuracy, ORANGE, "validation")
            axes[1].set(ylabel="validation accuracy")
            axes[1].yaxis.set_major_formatter(lambda share, _: f"{share:.4g}" if share > 1 else f"{share:.1%}")
            _mark_best(axes[1], numbers, accuracy)
        for one in axes:
            one.set_xlabel("epoch")
            one.set_xlim(0.5, len(history) + 0.5)
            one.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
            one.grid(color="#edf2f7")
            one.set_axisbelow(True)
            _mark_stages(one, history)


def _line(axes: Any, numbers: list[int], values: Sequence[float | None], colour: str, label: str) -> None:
    known = [(number, value) for number, value in zip(numbers, values, strict=True) if value is not None]
    if known:
        axes.plot(*zip(*known, strict=True), color=colour, marker="o", markersize=3, linewidth=1.5, label=label)


def _mark_best(axes: Any, numbers: list[int], accuracy: Sequence[float | None]) -> None:
    best, at = max((value, -number) for number, value in zip(numbers, accuracy, strict=True) if value is not None)
    axes.plot(-at, best, marker="o", markersize=8, markerfacecolor="none", color=ORANGE)
    axes.set_title(f"best {best:.2%}, epoch {-at}", loc="right")


def _mark_stages(axes: Any, history: Sequence[Epoch]) -> None:
    """Draw a line where another stage begins, with its name."""
    for place, epoch in enumerate(history):
        if epoch.stage and (place == 0 or history[place - 1].stage != epoch.stage):
            axes.axvline(place + 0.5, color=GREY, linewidth=1, linestyle=(0, (2, 2)))
            axes.text(place + 0.5, 1.01, epoch.stage, fontsize=8, va="bottom", color="#718096",
                      transform=axes.get_xaxis_transform())  # fmt: skip
