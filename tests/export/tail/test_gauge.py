"""The classes that are asked about, and the rule that integrates."""

import numpy as np
import pytest
import torch

from vitscope.export.tail import Rule, chosen
from vitscope.export.tail.gauge import RANKS


def test_classes_and_ranks() -> None:
    logits = torch.tensor([[0.1, 3.0, -1.0, 2.0], [5.0, 4.0, 1.0, 0.0]])
    asked = torch.tensor([[0, 3, -1, -2, -4], [2, -1, -2, -3, 1]])
    assert chosen(logits, asked).tolist() == [[0, 3, 1, 3, 2], [2, 0, 1, 2, 1]]


def test_what_is_out_of_range_is_the_last_one_and_no_error() -> None:
    """A row that fills up a batch may hold anything."""
    logits = torch.tensor([[0.0, 2.0, 1.0]])
    assert chosen(logits, torch.tensor([[7, -9, 2**62, -(2**62)]])).tolist() == [[2, 0, 2, 0]]
    many = torch.arange(300.0).flip(0)[None]
    assert chosen(many, torch.tensor([[-100, -101, -300]])).tolist() == [[RANKS - 1] * 3]


def test_one_label_is_all_that_can_be_asked_about() -> None:
    assert chosen(torch.tensor([[0.3]]), torch.tensor([[0, -1, 4]])).tolist() == [[0, 0, 0]]


@pytest.mark.parametrize("grade", [1, 3])
def test_rules_integrate(grade: int) -> None:
    rule = Rule(8, grade)
    for power in (0, 1, 3):
        assert np.sum(rule.weights * rule.points**power) == pytest.approx(1 / (power + 1), abs=1e-12)
    assert (rule.points > 0).all() and (rule.points < 1).all()
