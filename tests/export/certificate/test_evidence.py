"""How many nodes the integrated shares take, and the checks that maps depend on class and head."""

import numpy as np
import pytest

from vitscope.bundle import Scale
from vitscope.export.certificate.evidence import (
    Batch,
    evidence_reference,
    lacking_share,
    rank_correlations,
    relative_error,
)
from vitscope.export.methods.evidence import NODES

RANDOM = np.random.default_rng(0)
SCALE = Scale("softmax", np.array([2.0]), np.array([8.0]))
MAPS = RANDOM.standard_normal((6, 2, 16)).astype(np.float32)


def batch(errors: dict[int, float], missing: float = 0.0, other: np.ndarray | None = None) -> Batch:
    """Return a batch whose rules are off by so much of the maps."""
    return Batch(
        classes=np.tile([[3, 1]], (6, 1)),
        integrated=MAPS,
        gradient=MAPS,
        rules={nodes: MAPS * np.float32(1 + errors[nodes]) for nodes in NODES},
        missing={nodes: np.full((6, 2), missing / nodes, np.float32) for nodes in NODES},
        other_head=RANDOM.standard_normal((6, 2, 16)) if other is None else other,
    )


@pytest.mark.parametrize(
    ("errors", "missing", "nodes", "reason"),
    [
        ({4: 1e-6, 8: 1e-7, 16: 1e-7, 32: 1e-7}, 0.0, 4, ""),
        ({4: 9e-5, 8: 4e-5, 16: 1e-7, 32: 1e-7}, 0.0, 8, ""),  # room for float32
        ({4: 1e-6, 8: 1e-7, 16: 1e-7, 32: 1e-7}, 6e-3, 8, ""),  # 6e-3 / 8 of a spread of 2 is below half the bar
        ({4: 1e-1, 8: 1e-2, 16: 1e-3, 32: 8e-5}, 0.0, 32, ""),
        ({4: 1e-1, 8: 1e-2, 16: 1e-3, 32: 5e-4}, 0.0, 32, "known to 5.0e-04 with 32 nodes, at most 1e-04"),
    ],
)
def test_the_fewest_nodes_that_are_enough(errors: dict[int, float], missing: float, nodes: int, reason: str) -> None:
    found = evidence_reference(np.arange(6), [batch(errors, missing)], SCALE)
    assert found.nodes == nodes and reason in found.why_not and bool(found.why_not) == bool(reason)
    assert found.sanity.shortfalls == ()


def test_maps_that_depend_on_nothing_are_found_out() -> None:
    same = np.repeat(MAPS[:, :1], 2, axis=1)
    blind = batch(dict.fromkeys(NODES, 0.0), other=MAPS)
    found = evidence_reference(np.arange(6), [blind], SCALE).sanity
    assert found.random_head == pytest.approx(1) and len(found.shortfalls) == 1
    copied = Batch(
        blind.classes, same, same, dict.fromkeys(NODES, same), blind.missing, RANDOM.standard_normal((6, 2, 16))
    )
    sanity = evidence_reference(np.arange(6), [copied], SCALE).sanity
    assert sanity.other_class == pytest.approx(1) and "another class" in sanity.shortfalls[0]


def test_flat_maps_are_compared_by_size_alone() -> None:
    flat = 1e-6 * MAPS
    assert len(rank_correlations(flat, flat, SCALE)) == 0
    assert relative_error(2 * flat, flat, SCALE) < 1e-3 < relative_error(2 * MAPS, MAPS, SCALE)
    found = evidence_reference(np.arange(6), [batch(dict.fromkeys(NODES, 0.0), other=flat)], SCALE)
    assert found.sanity.random_head is None
    assert lacking_share(np.array([-0.5, 0.1]), SCALE) == 0.25


def test_rank_correlations_are_spearmans() -> None:
    values = np.array([[1.0, 2.0, 3.0, 4.0]])
    np.testing.assert_allclose(rank_correlations(values, np.exp(values), SCALE), [1])
    np.testing.assert_allclose(rank_correlations(values, -values, SCALE), [-1])
    np.testing.assert_allclose(rank_correlations(values, np.array([[1.0, 2.0, 4.0, 3.0]]), SCALE), [0.8])
