"""Rollout and attention of any token, as maps."""

from typing import Any

import numpy as np
import pytest

from tests.server.maps.samples_full import TOKENS, manifest, outputs
from vitscope.bundle import CLASSIFY, FULL
from vitscope.server.errors import InvalidRequest
from vitscope.server.maps.map import Map
from vitscope.server.maps.methods import make, plan
from vitscope.server.maps.methods.rollout import METHOD
from vitscope.server.maps.options import MapOptions
from vitscope.server.maps.rollout import RolloutOptions, rollout
from vitscope.server.maps.tokens import Patch

OUTPUTS = outputs()
MATRICES = OUTPUTS["matrices"]


def maps(**options: Any) -> list[Map]:
    spec = plan(MapOptions(**options), manifest())
    assert spec.graph == FULL
    return make(spec, manifest(), OUTPUTS)


def whole(one: Map) -> np.ndarray:
    """Return the values of the class token, the register and the patches."""
    return np.array([one.prefix.cls, one.prefix.registers, *one.values.ravel()], np.float32)


@pytest.mark.parametrize(("token", "index"), [(None, 0), (1, 1), (Patch(1, 2), 7)])
def test_rollout_is_a_map_of_the_last_layer(token: Any, index: int) -> None:
    (one,) = maps(method="rollout", token=token, rollout=RolloutOptions("max", 0.5, -2))
    expected = rollout(MATRICES, [index], RolloutOptions("max", 0.5, -2), TOKENS.prefix)[0]
    np.testing.assert_array_equal(whole(one), expected)
    assert (one.method, one.layer, one.head, one.values.shape) == ("rollout", 2, -1, (2, 3))
    assert one.sum + one.prefix.cls + one.prefix.registers == pytest.approx(1, abs=1e-6)


def test_attention_of_a_patch_and_to_it() -> None:
    for layer, head, one in zip(
        (0, 0, 2, 2), (0, 1, 0, 1), maps(layers=(0, 2), heads="all", token=Patch(1, 0)), strict=True
    ):
        assert (one.layer, one.head) == (layer, head)
        np.testing.assert_array_equal(whole(one), MATRICES[layer, head, 5])
    (one,) = maps(token=Patch(1, 0), direction="to")
    np.testing.assert_allclose(whole(one), MATRICES[2].mean(axis=0)[:, 5], rtol=1e-6)


def test_the_gate_compares_rows_that_sum_to_one() -> None:
    rows = METHOD.rows({name: values[None] for name, values in OUTPUTS.items()})
    assert rows is not None and rows.shape == (1, 3, 2, 8)
    np.testing.assert_allclose(rows.sum(axis=-1), 1, atol=1e-6)
    assert METHOD.rows({"logits": OUTPUTS["logits"][None]}) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "rollout", "layers": [0]}, r"layers: \[0\]; accepted: none; rollout.from_layer says"),
        ({"method": "rollout", "heads": "all"}, "heads: all; accepted: none; rollout.fusion says"),
        ({"method": "rollout", "direction": "to"}, "direction: to; accepted: from; rollout follows"),
        ({"method": "rollout", "token": 8}, "token: 8; accepted: 0 to 7"),
        ({"method": "rollout", "rollout": RolloutOptions(from_layer=3)}, "from_layer: 3; accepted: -3 to 2"),
        ({"token": Patch(2, 0)}, "patch: row 2, column 0; accepted: row 0 to 1, column 0 to 2"),
        ({"direction": "to"}, "direction: to without a token; accepted: from, or a token"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{message}"):
        plan(MapOptions(**options), manifest())


def test_a_bundle_without_the_graph_refuses_with_the_way_out() -> None:
    old = manifest(graphs=(CLASSIFY,)).model_copy(update={"methods": ("attention",)})
    with pytest.raises(
        InvalidRequest, match=r"'toy' was exported without rollout, or before there was .*: export it again"
    ):
        plan(MapOptions(method="rollout"), old)
    with pytest.raises(
        InvalidRequest, match=r"^token: it needs the graph 'full', and model 'toy' was exported without it"
    ):
        plan(MapOptions(token=0), old)


def test_without_a_method_rollout_is_never_meant() -> None:
    only = manifest().model_copy(update={"methods": ("rollout",)})
    with pytest.raises(InvalidRequest, match="accepted: one of: rollout"):
        plan(MapOptions(), only)
