"""Stages, bars and warnings as they are printed."""

import io

import pytest
from rich.console import Console

from vitscope.export.progress import Terminal


def test_stages_and_items_are_shown_once_they_are_over() -> None:
    text = io.StringIO()
    terminal = Terminal(Console(file=text, width=100))
    with terminal.stage("loading"):
        pass
    assert list(terminal.track([1, 2, 3], "comparing")) == [1, 2, 3]
    assert "✓ loading" in text.getvalue() and "✓ comparing" in text.getvalue()


def test_a_failed_stage_is_not_ticked() -> None:
    text = io.StringIO()
    with pytest.raises(ValueError), Terminal(Console(file=text, width=100)).stage("loading"):
        raise ValueError
    assert "✓" not in text.getvalue()


def test_a_warning_is_printed_as_it_is() -> None:
    text = io.StringIO()
    Terminal(Console(file=text, width=30)).warn("the label '[bold]' is there twice, and this is a long line")
    assert text.getvalue() == "warning: the label '[bold]' is there twice, and this is a long line\n"
