"""The contact sheet of the images on which two models differ."""

from pathlib import Path

from vitscope.evaluate.comparison import Comparison, Pair
from vitscope.evaluate.pictures.canvas import GREEN, INK, RED
from vitscope.evaluate.pictures.sheet import MOST, Cell, draw_sheet
from vitscope.evaluate.records import Record


def draw_differences(comparison: Comparison, names: tuple[str, str], data: Path, path: Path) -> None:
    """Draw the images with what both models say: green where it is right, red where not."""
    differing = comparison.differing
    cells = [
        Cell(data / pair.first.image, (_said("1", pair.first), _said("2", pair.second), *_truth(pair)))
        for pair in differing[:MOST]
    ]
    shown = f", {MOST} of them" if len(differing) > MOST else ""
    draw_sheet(cells, f"{len(differing):,} images with different answers{shown}. 1: {names[0]}; 2: {names[1]}", path)


def _said(number: str, record: Record) -> tuple[str, str]:
    return f"{number}: {record.predicted} {record.probability:.0%}", GREEN if record.correct else RED


def _truth(pair: Pair) -> tuple[tuple[str, str], ...]:
    """Return the true class, where neither has named it."""
    return () if pair.first.correct or pair.second.correct else ((f"is {pair.first.label}", INK),)
