"""Which classes may be asked about. What each error says end to end: tests/e2e/test_evidence.py."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitscope.server.errors import InvalidRequest
from vitscope.server.maps.classes import ClassOptions, Targets, by_index, refuse_classes, resolve

FEW = ("boot", "shoe", "bag", "boot ")
MANY = (*(f"class {number}" for number in range(1000)), "twin", "twin")


def resolved(labels: tuple[str, ...] = FEW, **options: Any) -> Targets:
    return resolve(ClassOptions(**options), labels)


@pytest.mark.parametrize(
    ("options", "classes", "versus", "top"),
    [
        ({}, (-1,), None, True),
        ({"class_indices": [2, 0], "class_labels": ["shoe"]}, (2, 0, 1), None, False),
        ({"class_labels": ["boot "]}, (3,), None, False),
        ({"top_classes": 3}, (-1, -2, -3), None, True),
        ({"versus_index": 0}, (-1,), 0, True),
        ({"class_indices": [1], "versus_label": "bag"}, (1,), 2, False),
        ({"top_classes": 2, "versus_rank": 2}, (-1, -2), -2, True),
        ({"versus_rank": 4}, (-1,), -4, True),
    ],
)
def test_classes_become_what_the_graph_is_asked_for(
    options: dict[str, Any], classes: tuple[int, ...], versus: int | None, top: bool
) -> None:
    found = resolved(**options)
    assert (found.classes, found.versus, found.top) == (classes, versus, top)
    assert found.columns == (classes if versus is None else (*classes, versus))


@pytest.mark.parametrize(
    ("labels", "options", "says"),
    [
        (FEW, {"top_classes": 5}, "top_classes: 5; accepted: 1 to 4; 0 for the most probable class"),
        (FEW, {"versus_rank": 0}, "versus_rank: 0; accepted: 1 to 4"),
        (FEW, {"class_labels": [""]}, "class_labels: ''; accepted: 'boot', 'shoe', 'bag', 'boot '"),
        (MANY, {"versus_rank": 101}, "versus_rank: 101; accepted: 1 to 100"),
        (MANY, {"class_labels": ["Class-99"]}, "'class 99', 'class 990', 'class 991'"),
        (MANY, {"class_labels": ["nothing"]}, "one of the model's 1,002 labels, exactly, such as 'class 0'"),
        (
            MANY,
            {"class_labels": ["twin"]},
            "'twin', which classes 1000 and 1001 are called; accepted: an index, in class_ind",
        ),
        (
            MANY,
            {"versus_label": "twin"},
            "versus_label: 'twin', which classes 1000 and 1001 are called; accepted: an index",
        ),
        (MANY, {"class_labels": ["x" * 10**6]}, "x…'; accepted"),
        (MANY, {"class_labels": ["a\nb"]}, r"class_labels: 'a\\nb'; accepted"),
        (("only",), {"versus_index": 0}, "versus_index: a class to contrast with; accepted: none"),
        (("only",), {"top_classes": 2}, "top_classes: 2; accepted: 1 to 1"),
    ],
)
def test_others_are_refused(labels: tuple[str, ...], options: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        resolved(labels, **options)
    assert says.replace("\\\\", "\\") in str(caught.value)
    assert len(str(caught.value)) < 400 and str(caught.value).isprintable()


@pytest.mark.parametrize(
    "options",
    [{"class_indices": [0]}, {"top_classes": 1}, {"versus_index": 0}, {"versus_label": ""}, {"mode": "direct"}],
)
def test_a_method_without_a_choice_refuses_each_option(options: dict[str, Any]) -> None:
    refuse_classes(ClassOptions(), "attention is of no class")
    with pytest.raises(InvalidRequest, match="accepted: none; attention is of no class") as caught:
        refuse_classes(ClassOptions(**options), "attention is of no class")
    assert caught.value.field == next(iter(options))


@given(st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=20), st.data())
def test_ranks_are_places_in_falling_order_ties_by_index(logits: list[float], data: st.DataObject) -> None:
    ranks = data.draw(st.lists(st.integers(1, len(logits)), max_size=4))
    found = by_index([*(-rank for rank in ranks), 0], np.array(logits, np.float32))
    order = sorted(range(len(logits)), key=lambda index: (-logits[index], index))
    assert found == (*(order[rank - 1] for rank in ranks), 0)
