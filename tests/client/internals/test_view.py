"""Figures of what is inside of the encoder."""

from dataclasses import replace

import numpy as np
import pytest

from tests.client.internals.test_assembly import made_of, whole
from vitscope.client.internals.result import Explained, TokenLayout
from vitscope.client.result import Class, Geometry
from vitscope.v1 import image_pb2

RANDOM = np.random.default_rng(0)


@pytest.fixture
def explained() -> Explained:
    geometry = image_pb2.Geometry(
        image_width=40, image_height=30, grid_to_image=[10, 0, 0, 0, 10, 0], seen=image_pb2.Box(x1=40, y1=30)
    )
    return replace(
        made_of(whole()),
        classes=(Class(2, "cat", 0.9, 3.0),),
        geometry=Geometry.of(geometry),
        tokens=TokenLayout(13, 1, 0, 0, 3, 4),
        matrices=RANDOM.random((2, 1, 13, 13), np.float32),
    )


def titles(explained: Explained, photo: np.ndarray | None = None) -> list[str]:
    return [axis.get_title() for axis in explained.plot(photo).axes if axis.get_title()]


def test_without_chosen_tokens_the_class_token_is_shown(explained: Explained) -> None:
    shown = ["layer 1, from the class token", "layer 4, from the class token"]
    assert titles(explained) == shown
    assert titles(explained, np.zeros((30, 40, 3), np.uint8)) == ["the photo", *shown]
    assert "cat" in explained.plot().get_suptitle()
    values = [axis.images[0].get_array() for axis in explained.plot().axes if axis.get_title()]
    assert explained.matrices is not None
    np.testing.assert_array_equal(values[1], explained.matrices[1, 0, 0, 1:].reshape(3, 4))


def test_chosen_tokens_are_shown_in_every_direction(explained: Explained) -> None:
    rows = RANDOM.random((2, 1, 2, 13), np.float32)
    some = replace(explained, chosen=(0, 6), rows=rows, columns=rows, rollout=rows[0, 0], layers=(1, 4))
    assert titles(some) == [
        "rollout from the class token", "rollout from patch 1, 1",
        *(f"layer {layer}, {way} {name}" for way in ("from", "to") for layer in (1, 4)
          for name in ("the class token", "patch 1, 1")),
    ]  # fmt: skip
    many = replace(some, layers=tuple(range(12)), rows=np.repeat(rows, 6, axis=0), columns=None)
    assert len(titles(many)) == 12 and titles(many)[-1] == "layer 11, from patch 1, 1"


def test_a_figure_of_nothing_has_the_classes(explained: Explained) -> None:
    assert titles(replace(explained, matrices=None)) == []
