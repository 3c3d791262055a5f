"""Text tables and Markdown tables."""

import pytest

from vitscope.tables import markdown_table, terminal_width, text_table


def test_numbers_are_aligned_to_the_right_and_text_to_the_left() -> None:
    assert text_table(("engine", "ms", "why not"), [("a", "1.5", ""), ("longer", "-10.25", "no GPU")]) == (
        "engine  ms      why not\n"  # a heading is text
        "a          1.5\n"
        "longer  -10.25  no GPU"
    )


def test_a_dash_is_text_and_a_table_may_be_empty() -> None:
    assert text_table(("a", "rate"), [("x", "-"), ("y", "–")]) == "a  rate\nx  -\ny  –"
    assert text_table(("a", "b"), []) == "a  b"


def test_a_narrow_table_breaks_between_words() -> None:
    rows = [
        ("onnxruntime-cuda", "f16, bf16", "this one was built without CUDA; onnxruntime-gpu has it"),
        ("x", "1", "y"),
    ]
    assert text_table(("engine", "precisions", "here"), rows, 50) == (
        "engine            precisions  here\n"
        "onnxruntime-cuda  f16, bf16   this one was built\n"
        "                              without CUDA;\n"
        "                              onnxruntime-gpu has\n"
        "                              it\n"
        "x                          1  y"
    )
    words = {word for row in rows for cell in row for word in cell.split()}
    assert words <= set(text_table(("engine", "precisions", "here"), rows, 10).split())


def test_a_pipe_has_no_width_and_columns_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert terminal_width() is None
    monkeypatch.setenv("COLUMNS", "40")
    assert terminal_width() == 40


def test_markdown_has_a_rule_below_the_headings() -> None:
    assert markdown_table(("a", "b"), [("1", ""), ("2", "x")]) == "| a | b |\n| --- | --- |\n| 1 |  |\n| 2 | x |"
    assert markdown_table(("", ""), []) == "|  |  |\n| --- | --- |"
