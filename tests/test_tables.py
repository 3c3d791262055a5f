"""Text tables and Markdown tables."""

from vitscope.tables import markdown_table, text_table


def test_numbers_are_aligned_to_the_right_and_text_to_the_left() -> None:
    assert text_table(("engine", "ms", "why not"), [("a", "1.5", ""), ("longer", "-10.25", "no GPU")]) == (
        "engine  ms      why not\n"  # a heading is text
        "a          1.5\n"
        "longer  -10.25  no GPU"
    )


def test_a_dash_is_text_and_a_table_may_be_empty() -> None:
    assert text_table(("a", "rate"), [("x", "-"), ("y", "–")]) == "a  rate\nx  -\ny  –"
    assert text_table(("a", "b"), []) == "a  b"


def test_markdown_has_a_rule_below_the_headings() -> None:
    assert markdown_table(("a", "b"), [("1", ""), ("2", "x")]) == "| a | b |\n| --- | --- |\n| 1 |  |\n| 2 | x |"
    assert markdown_table(("", ""), []) == "|  |  |\n| --- | --- |"
