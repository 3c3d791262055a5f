"""What is no single choice between classes is refused with the reason."""

from dataclasses import replace
from pathlib import Path

import pytest

from vitscope.dataset import Dataset, LabelledImage
from vitscope.evaluate import EvaluateError
from vitscope.evaluate.data import numbers, root_of, select
from vitscope.evaluate.sources.source import require_softmax


def test_other_heads_are_refused() -> None:
    require_softmax("softmax", "x")
    with pytest.raises(
        EvaluateError, match=r"--bundle x: the head gives each label a probability of its own \(sigmoid\)"
    ):
        require_softmax("sigmoid", "--bundle x: the head")
    with pytest.raises(EvaluateError, match="answers with plain values, as in regression; accepted: a model that"):
        require_softmax("none", "x")
    with pytest.raises(EvaluateError, match="has the activation 'new'"):
        require_softmax("new", "x")


def test_labels_are_matched_by_name() -> None:
    assert numbers(("cat", "dog"), ("dog", "bird", "cat"), "it") == (2, 0)
    with pytest.raises(
        EvaluateError, match=r"2 of its 3 labels are unknown to it: 'a', 'b'; that model has 2: 'c', 'd'"
    ):
        numbers(("a", "b", "c"), ("c", "d"), "it")
    with pytest.raises(EvaluateError, match="it has several classes named 'crane'"):
        numbers(("crane",), ("crane", "crane"), "it")


def test_images_are_named_relative_to_the_data(tmp_path: Path) -> None:
    paths = (tmp_path / "cat/1.png", tmp_path / "dog/2.png")
    assert root_of(str(tmp_path), paths) == root_of("owner/name", paths) == tmp_path


def test_the_test_images_are_measured_or_else_those_for_validation() -> None:
    images = tuple(LabelledImage(Path(f"{name}.png"), 0) for name in "abc")
    splits = {"train": images[:1], "validation": images[1:2], "test": images[2:]}
    data = Dataset(("cat", "dog"), splits)
    assert select(data, None).paths == (Path("c.png"),) and select(data, "train").paths == (Path("a.png"),)
    assert select(replace(data, splits={"train": images[:1], "validation": images[1:]}), None).split == "validation"
    with pytest.raises(EvaluateError, match="has training images only; name them with --split train"):
        select(replace(data, splits={"train": images}), None)
