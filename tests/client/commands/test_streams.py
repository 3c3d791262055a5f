"""Text that is safe for terminals and encodings."""

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitscope.client.commands.streams import fail, json_text, printable


@given(st.text(st.characters(exclude_categories=())))
def test_no_text_controls_the_terminal_or_fails_to_print(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable() and shown.encode().decode() == shown
    assert json.loads(json_text({"image": text})) == {"image": text}
    assert json_text({"image": text}).isprintable()


def test_printable_text_is_unchanged() -> None:
    assert printable("Füße [1] 猫.jpg") == "Füße [1] 猫.jpg"
    assert printable("a\x1b[2J\n\udcff\u202e") == "a\\x1b[2J\\n\\udcff\\u202e"
    assert "猫" in json_text({"image": "猫"})


def test_json_is_ascii_where_standard_output_is(capsys: pytest.CaptureFixture[str]) -> None:
    sys.stdout.reconfigure(encoding="latin-1")  # type: ignore[union-attr]
    assert json_text({"image": "猫"}) == '{"image": "\\u732b"}'
    assert json_text({"image": "ü"}) == '{"image": "ü"}'


def test_a_message_keeps_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    fail("classify", "a\x07\nb")
    assert capsys.readouterr().err == "vitscope classify: a\\x07\nb\n"
