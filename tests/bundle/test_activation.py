"""Probabilities are those of PyTorch, for logits of any size."""

import numpy as np
import pytest
import torch

from vitscope.bundle import probabilities

LOGITS = np.array([[1e4, -1e4, 0, 3], [-88, -89, -90, -750], [0, 0, 0, 0]], np.float32)


def test_softmax_and_sigmoid() -> None:
    given = torch.from_numpy(LOGITS).double()
    assert probabilities(LOGITS, "softmax") == pytest.approx(given.softmax(-1).numpy())
    assert probabilities(LOGITS, "sigmoid") == pytest.approx(given.sigmoid().numpy())


def test_without_an_activation_there_are_none() -> None:
    assert probabilities(LOGITS, "none") is None


def test_a_temperature_divides_the_logits() -> None:
    given = torch.from_numpy(LOGITS).double() / 2
    assert probabilities(LOGITS, "softmax", 2) == pytest.approx(given.softmax(-1).numpy())
    assert probabilities(LOGITS, "sigmoid", 2) == pytest.approx(given.sigmoid().numpy())
    assert probabilities(LOGITS, "none", 2) is None
