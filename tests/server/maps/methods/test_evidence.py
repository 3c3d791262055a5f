"""Evidence: what may be asked, what comes out of a graph's outputs, and what the gate compares."""

from typing import Any

import numpy as np
import pytest

from tests.server.maps.samples import LAYERS, manifest
from vitscope.bundle import CLASSIFY, EVIDENCE, Manifest
from vitscope.server.engines.contract import Identity, Outputs
from vitscope.server.engines.gate.judge import REDUCED, judge
from vitscope.server.errors import InvalidRequest
from vitscope.server.maps.classes import ClassOptions
from vitscope.server.maps.condition import When
from vitscope.server.maps.map import Map
from vitscope.server.maps.methods import plan
from vitscope.server.maps.methods.evidence import METHOD
from vitscope.server.maps.options import MapOptions
from vitscope.server.maps.rendering import RenderingSpec

SHARES = np.random.default_rng(0).standard_normal((3, 196)).astype(np.float32)
OUTPUTS = {
    "logits": np.array([1.0, 2.0], np.float32),
    "evidence": SHARES,
    "evidence_gradient": 2 * SHARES,
    "evidence_direct": 3 * SHARES,
    "evidence_ledger": np.array([[-1.0, 0.5, 0.25, 0.125, 0.75]] * 3, np.float32),
    "evidence_class": np.array([1, 0, 1]),
}


def model(**changes: Any) -> Manifest:
    return manifest((CLASSIFY,)).model_copy(update={"methods": ("attention", "evidence"), **changes})


def made(outputs: dict[str, np.ndarray] = OUTPUTS, changes: dict[str, Any] | None = None, **classes: Any) -> list[Map]:
    found = model(**(changes or {}))
    return METHOD.make(METHOD.plan(MapOptions(classes=ClassOptions(**classes)), found), found, outputs)


def test_it_runs_a_graph_of_its_own_on_the_last_layer() -> None:
    spec = METHOD.plan(MapOptions(layers=[-1], rendering=RenderingSpec(size=64)), model())
    assert (spec.graph, spec.layers, spec.heads, spec.mode) == (EVIDENCE, (LAYERS - 1,), None, "integrated")


def test_padded_columns_are_no_maps() -> None:
    assert [one.evidence and one.evidence.explained.label for one in made(class_indices=[1])] == ["b"]
    assert [one.evidence and one.evidence.explained.label for one in made(class_indices=[1, 0])] == ["b", "a"]
    (one,) = made(class_indices=[1], versus_index=0)
    np.testing.assert_array_equal(one.values.ravel(), SHARES[0] - SHARES[1])


@pytest.mark.parametrize(
    ("changes", "target", "tokens"),
    [
        ({}, "log_probability", "last_attention"),
        ({"activation": "sigmoid"}, "logit", "last_attention"),
        ({"activation": "none"}, "logit", "last_attention"),
    ],
)
def test_the_target_goes_by_the_activation(changes: dict[str, Any], target: str, tokens: str) -> None:
    (one,) = made(changes=changes)
    assert one.evidence is not None
    assert (one.evidence.target, one.evidence.tokens) == (target, tokens)


@pytest.mark.parametrize(
    ("pooling", "tokens"), [("mean", "output"), ("cls+mean", "both"), ("attention", "last_attention")]
)
def test_the_tokens_go_by_what_the_head_reads(pooling: str, tokens: str) -> None:
    geometry = manifest().tokens.model_copy(update={"pooling": pooling})
    (one,) = made(changes={"tokens": geometry})
    assert one.evidence is not None and one.evidence.tokens == tokens


def test_outliers_are_there_where_the_graph_tells_the_norms() -> None:
    norms = np.ones(196, np.float32)
    norms[[3, 100]] = 9
    (one,) = made({**OUTPUTS, "evidence_norms": norms})
    assert one.evidence is not None and one.evidence.outliers is not None
    assert np.flatnonzero(one.evidence.outliers).tolist() == [3, 100]
    expected = np.abs(SHARES[0])[[3, 100]].sum() / np.abs(SHARES[0]).sum()
    assert one.evidence.shares.outliers == pytest.approx(float(expected), rel=1e-5)


def test_a_bundle_without_it_says_what_brings_it() -> None:
    old = manifest((CLASSIFY,))
    with pytest.raises(
        InvalidRequest, match=r"was exported without evidence; accepted: one of: attention; exported again"
    ):
        plan(MapOptions("evidence"), old)
    cannot = old.model_copy(update={"not_offered": {"evidence": "its head is a capsule network"}})
    with pytest.raises(
        InvalidRequest, match=r"has no evidence: its head is a capsule network; accepted: one of: attention$"
    ):
        plan(MapOptions("evidence"), cannot)


def test_a_condition_is_part_of_the_plan_of_every_method() -> None:
    when = When("margin_below", 0.5)
    assert plan(MapOptions("attention", when=when), model()).when == when
    assert not plan(MapOptions("attention"), model()).when
    with pytest.raises(InvalidRequest, match="when: margin_below; accepted: always: this model's answers are plain"):
        plan(MapOptions("attention", when=when), model(activation="none"))


def test_the_gate_does_not_compare_the_rounding_errors_of_a_flat_map() -> None:
    random = np.random.default_rng(0)
    logits = 3 * random.standard_normal((8, 10)).astype(np.float32)
    shares = random.standard_normal((8, 1, 49)).astype(np.float32) / 10
    shares[3] = 0
    noise = 1e-4 * random.standard_normal(shares.shape).astype(np.float32)

    def outputs(images: np.ndarray, evidence: np.ndarray) -> Outputs:
        return {"logits": logits[: len(images)], "evidence": evidence[: len(images)]}

    images, identity = np.zeros((8, 2, 2, 3), np.uint8), Identity("e", "1", "f16", "d")
    found = judge(lambda i: outputs(i, shares + noise), lambda i: outputs(i, shares), images, [8], identity, REDUCED)
    assert found.passed, found.shortfalls
    found = judge(lambda i: outputs(i, -shares), lambda i: outputs(i, shares), images, [8], identity, REDUCED)
    assert "the evidence cosine falls to" in found.shortfalls[0]
