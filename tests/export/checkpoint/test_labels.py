"""Names of classes: a file's, ImageNet's, or those of config.json."""

from pathlib import Path
from typing import Any

import pytest

from tests.export.checkpoint.edits import edit
from vitscope.export.checkpoint import load_checkpoint
from vitscope.export.checkpoint.labels import read_labels
from vitscope.export.errors import ExportError


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("cat\ndog\n", ("cat", "dog")),
        ("\ufeffcat\r\ndog\r\n\r\n", ("cat", "dog")),
        ("  tench, Tinca tinca\nKatze (Ä)", ("tench, Tinca tinca", "Katze (Ä)")),
        ('["cat", "dog", 3]', ("cat", "dog", "3")),
        ('{"1": "dog", "0": "cat"}', ("cat", "dog")),
        ('{"dog": 1, "cat": 0}', ("cat", "dog")),
        ('{"id2label": {"0": "cat", "1": "dog"}, "hidden_size": 3}', ("cat", "dog")),
    ],
)
def test_files(content: str, names: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "names").write_text(content, encoding="utf-8")
    assert read_labels(str(tmp_path / "names")) == names


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no names"),
        (b"cat\n\ndog", "name 2 of 3 is empty"),
        (b"\xff\xfe", "not text in UTF-8"),
        (b'["cat",]', "not JSON"),
        (b"[[1]]", "accepted is a list of names"),
        (b'{"0": "cat", "2": "dog"}', "its numbers must be 0 to 1, each once"),
        (b'{"cat": "dog"}', "invalid literal"),
        (b'{"cat": [1]}', "int"),
        (b'{"id2label": 3}', "int"),
    ],
)
def test_other_files_are_refused(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "names").write_bytes(content)
    with pytest.raises(ExportError, match=f"--labels .*names: .*{message}") as error:
        read_labels(str(tmp_path / "names"))
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"--labels \S+none: No such file .*the word imagenet"):
        read_labels(str(tmp_path / "none"))


@pytest.mark.parametrize("word", ["imagenet", "imagenet-1k"])
def test_imagenet(word: str) -> None:
    names = read_labels(word)
    assert len(names) == 1000
    assert (names[0], names[207], names[999]) == (
        "tench, Tinca tinca", "golden retriever", "toilet tissue, toilet paper, bathroom tissue",
    )  # fmt: skip


def test_their_number_is_checked_against_the_head(copied: Path, tmp_path: Path) -> None:
    (tmp_path / "names").write_text("a\nb\nc\nd\ne")
    before = load_checkpoint(str(copied)).weights_sha256
    found = load_checkpoint(str(copied), labels=str(tmp_path / "names"))
    assert found.labels == ("a", "b", "c", "d", "e") and found.weights_sha256 != before
    (tmp_path / "names").write_text("a\nb\nc")
    with pytest.raises(ExportError, match=r"--labels: 3 names, and classifier\.\w+ in the weights has 5 outputs"):
        load_checkpoint(str(copied), labels=str(tmp_path / "names"))


@pytest.mark.parametrize(
    ("id2label", "message"),
    [
        ({"0": "a", "2": "b", "3": "c", "4": "d", "5": "e"}, "accepted: 0 to 4, each once, or give --labels"),
        (list("abcde"), "accepted: an object from numbers to names, or give --labels"),
        ({"a": 0, "b": 1, "c": 2, "d": 3, "e": 4}, "accepted: an object from numbers to names, or give --labels"),
        ({"0": "a", "1": None, "2": "c", "3": "d", "4": "e"}, "label 1 in config.json is None; accepted: names, or"),
    ],
)
def test_labels_mend_a_configuration(copied: Path, tmp_path: Path, id2label: Any, message: str) -> None:
    edit(copied / "config.json", id2label=id2label, label2id={})
    with pytest.raises(ExportError, match=message):
        load_checkpoint(str(copied))
    (tmp_path / "names").write_text("a\nb\nc\nd\ne")
    assert load_checkpoint(str(copied), labels=str(tmp_path / "names")).labels[1] == "b"


def test_numbers_are_names_too(copied: Path) -> None:
    edit(copied / "config.json", id2label={str(n): n + 1900 for n in range(5)}, label2id={})
    assert load_checkpoint(str(copied)).labels == ("1900", "1901", "1902", "1903", "1904")
