"""What is no single choice between classes is refused with the reason."""

import pytest

from vitscope.evaluate import EvaluateError
from vitscope.evaluate.data import numbers
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
