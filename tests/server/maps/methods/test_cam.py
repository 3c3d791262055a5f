"""Class-activation maps: what may be asked, and that shares and rest are the logit."""

from typing import Any

import numpy as np
import pytest

from tests.server.maps.samples import LAYERS, manifest
from vitscope.bundle import CLASSIFY, Manifest, Output
from vitscope.server.errors import InvalidRequest
from vitscope.server.maps.map import MEAN, ClassShares
from vitscope.server.maps.methods import plan
from vitscope.server.maps.methods.cam import METHOD
from vitscope.server.maps.options import MapOptions

SHARES = np.random.default_rng(0).standard_normal(196).astype(np.float32)


def windowed() -> Manifest:
    """Return the manifest of a model that has class-activation maps and no attention."""
    plain = manifest((CLASSIFY,), attention=False)
    tokens = plain.tokens.model_copy(update={"attention_from": None, "pooling": "mean", "cls_tokens": 0})
    outputs = (*plain.graphs[CLASSIFY].outputs, Output(name="cam", shape=("N", 196)))
    graph = plain.graphs[CLASSIFY].model_copy(update={"outputs": outputs})
    return plain.model_copy(update={"tokens": tokens, "graphs": {CLASSIFY: graph}, "methods": ("cam",)})


@pytest.mark.parametrize("method", ["", "cam"])
@pytest.mark.parametrize("layers", [(), (-1,), (LAYERS - 1,)])
def test_it_is_the_default_of_a_model_without_attention(method: str, layers: tuple[int, ...]) -> None:
    spec = plan(MapOptions(method, layers), windowed())
    assert (spec.method, spec.graph, spec.layers, spec.heads) == ("cam", CLASSIFY, (LAYERS - 1,), None)


def test_shares_and_rest_are_the_logit() -> None:
    outputs = {"logits": np.array([-1, SHARES.sum() + 0.5], np.float32), "cam": SHARES, "cam_rest": np.float32([0.5])}
    (one,) = METHOD.make(plan(MapOptions(), windowed()), windowed(), outputs)
    assert (one.method, one.layer, one.head, one.values.shape) == ("cam", LAYERS - 1, MEAN, (14, 14))
    assert one.about == ClassShares(1, 0.5)
    assert one.sum + one.about.rest == pytest.approx(float(outputs["logits"][1]), abs=1e-5)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"method": "attention"}, "maps: model 'toy' attends within windows .*; accepted: one of: cam"),
        ({"layers": (0,)}, r"layers: \[0\]; accepted: 5; class-activation maps are of the last layer"),
        ({"layers": "all"}, "accepted: 5"),
        ({"heads": (0,)}, r"heads: \[0\]; accepted: none"),
        ({"heads": "all"}, "heads: all; accepted: none"),
    ],
)
def test_what_it_cannot_be_asked_for(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        plan(MapOptions(**asked), windowed())


def test_a_head_on_the_class_token_has_none() -> None:
    with pytest.raises(InvalidRequest, match=r"reads cls\+distillation, so .* accepted: one of: attention"):
        plan(MapOptions(method="cam"), manifest())
