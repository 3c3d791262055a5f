"""Attention: what may be asked, which rows come out, and that each map's shares sum to one."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.server.maps.samples import HEADS, LAYERS, TOKENS, manifest
from vitscope.bundle import ATTENTION, CLASSIFY, Manifest
from vitscope.server.errors import InvalidRequest
from vitscope.server.maps.map import Map
from vitscope.server.maps.methods.attention import METHOD
from vitscope.server.maps.options import MapOptions
from vitscope.server.maps.rendering import RenderingSpec
from vitscope.server.maps.spec import MapSpec

ROWS = np.random.default_rng(0).random((LAYERS, HEADS, TOKENS.prefix + TOKENS.patches)).astype(np.float32)
ROWS /= ROWS.sum(axis=-1, keepdims=True)
EVERY = {"attention": ROWS[..., TOKENS.prefix :], "attention_prefix": ROWS[..., : TOKENS.prefix]}
LAST = {name: rows[-1] for name, rows in EVERY.items()}


def planned(model: Manifest | None = None, **asked: Any) -> MapSpec:
    return METHOD.plan(MapOptions(**asked), model or manifest())


def made(outputs: dict[str, np.ndarray], **asked: Any) -> list[Map]:
    return METHOD.make(planned(**asked), manifest(), outputs)


# What may be asked


def test_nothing_asked_is_the_mean_of_the_last_layer() -> None:
    spec = planned()
    assert (spec.layers, spec.heads, spec.graph, spec.dtype) == ((LAYERS - 1,), None, CLASSIFY, "float32")


@pytest.mark.parametrize(
    ("wanted", "layers", "graph"),
    [
        ([-1], (5,), CLASSIFY),
        ([5, -1], (5,), CLASSIFY),
        ([4, 0, -2, 0], (0, 4), ATTENTION),
        ([-LAYERS], (0,), ATTENTION),
        ("all", tuple(range(LAYERS)), ATTENTION),
    ],
)
def test_layers_are_ascending_and_decide_the_graph(wanted: Any, layers: tuple[int, ...], graph: str) -> None:
    spec = planned(layers=wanted)
    assert (spec.layers, spec.graph) == (layers, graph)


def test_heads() -> None:
    assert planned(heads=[2, 0, 2]).heads == (0, 2)
    assert planned(heads="all").heads == tuple(range(HEADS))


@pytest.mark.parametrize(
    ("asked", "field", "accepted"),
    [
        ({"layers": [LAYERS]}, "layers", "-6 to 5"),
        ({"layers": [-LAYERS - 1]}, "layers", "-6 to 5"),
        ({"heads": [HEADS]}, "heads", "0 to 2"),
        ({"heads": [-1]}, "heads", "0 to 2"),
    ],
)
def test_a_layer_or_head_that_does_not_exist_is_refused(asked: dict[str, Any], field: str, accepted: str) -> None:
    with pytest.raises(InvalidRequest, match=accepted) as refused:
        planned(**asked)
    assert refused.value.field == field


def test_a_bundle_without_the_second_graph_has_its_last_layer() -> None:
    assert planned(manifest((CLASSIFY,))).graph == CLASSIFY
    with pytest.raises(InvalidRequest, match=r"layers: \[0\]; accepted: 5"):
        planned(manifest((CLASSIFY,)), layers=[0])


def test_pictures_are_counted_over_layers_and_heads() -> None:
    with pytest.raises(InvalidRequest, match=r"18 pictures of up to 966x966 pixels"):
        planned(layers="all", heads="all", rendering=RenderingSpec(size=966))
    spec = planned(layers="all", heads="all", rendering=RenderingSpec())
    assert spec.rendering == RenderingSpec(max_pixels=2**24 // 18)


# Which rows come out


def test_the_mean_of_the_last_layer() -> None:
    (found,) = made(LAST)
    assert (found.method, found.layer, found.head) == ("attention", LAYERS - 1, -1)
    assert found.values.shape == (14, 14)
    assert found.values.dtype == np.float32
    np.testing.assert_allclose(found.values.ravel(), LAST["attention"].mean(axis=0), rtol=1e-6)


def test_layers_then_heads_in_order() -> None:
    found = made(EVERY, layers=[3, 1], heads=[2, 0])
    assert [(m.layer, m.head) for m in found] == [(1, 0), (1, 2), (3, 0), (3, 2)]
    for m in found:
        assert np.array_equal(m.values.ravel(), EVERY["attention"][m.layer, m.head])


def test_both_graphs_give_the_same_last_layer() -> None:
    for one, other in zip(made(LAST, heads="all"), made(EVERY, heads="all"), strict=True):
        assert np.array_equal(one.values, other.values)
        assert (one.layer, one.head, one.prefix) == (other.layer, other.head, other.prefix)


def test_statistics_and_prefix() -> None:
    for m in made(EVERY, layers="all", heads="all"):
        row, prefix = ROWS[m.layer, m.head], m.prefix
        assert (prefix.cls, prefix.distillation) == (row[0], row[1])
        assert prefix.registers == pytest.approx(row[2:6].sum())
        assert (m.min, m.max) == (m.values.min(), m.values.max())
        assert m.sum + prefix.cls + prefix.distillation + prefix.registers == pytest.approx(1, abs=1e-5)


def test_a_plain_vit_has_no_registers_and_no_distillation() -> None:
    plain = TOKENS.model_copy(update={"distillation_tokens": 0, "register_tokens": 0})
    outputs = LAST | {"attention_prefix": LAST["attention_prefix"][:, :1]}
    (found,) = METHOD.make(planned(), manifest().model_copy(update={"tokens": plain}), outputs)
    assert (found.prefix.distillation, found.prefix.registers) == (0, 0)


# How even it is


def entropy(attention: np.ndarray) -> float:
    found = METHOD.entropy({"attention": attention})
    assert found is not None
    return found


@given(hnp.arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(2, 50)), elements=st.floats(0, 1, width=32)))
def test_entropy_is_shannons_of_the_mean_over_the_heads(attention: np.ndarray) -> None:
    attention = attention + np.float32(1e-3)
    share = attention.astype(np.float64).mean(axis=0)
    share /= share.sum()
    expected = -sum(p * math.log(p) for p in share) / math.log(len(share))
    assert entropy(attention) == pytest.approx(expected, abs=1e-4)


def test_entropy_runs_from_one_patch_to_all() -> None:
    one = np.zeros((3, 196), np.float32)
    one[:, 7] = 1
    assert entropy(one) == pytest.approx(0, abs=1e-6)
    assert entropy(np.full((3, 196), 1 / 196, np.float32)) == pytest.approx(1, abs=1e-6)
    assert entropy(np.ones((3, 1), np.float32)) == 0
    assert entropy(np.zeros((3, 196), np.float32)) == 1


def test_of_several_layers_the_last_counts() -> None:
    layers = np.random.default_rng(0).random((4, 3, 20), np.float32)
    assert entropy(layers) == entropy(layers[-1])


def test_a_graph_without_attention_has_no_entropy() -> None:
    assert METHOD.entropy({"logits": np.zeros(3, np.float32)}) is None
