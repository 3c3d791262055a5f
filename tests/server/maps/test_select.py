"""The right rows come out, and each map's shares sum to one."""

import numpy as np
import pytest

from tests.server.maps.samples import HEADS, LAYERS, TOKENS, manifest
from vitscope.server.maps import MapSpec, select

ROWS = np.random.default_rng(0).random((LAYERS, HEADS, TOKENS.prefix + TOKENS.patches)).astype(np.float32)
ROWS /= ROWS.sum(axis=-1, keepdims=True)
PREFIX, PATCHES = ROWS[..., : TOKENS.prefix], ROWS[..., TOKENS.prefix :]


def test_the_mean_of_the_last_layer() -> None:
    (found,) = select(MapSpec.from_request(manifest()), TOKENS, PATCHES[-1], PREFIX[-1])
    assert (found.layer, found.head) == (LAYERS - 1, -1)
    assert found.values.shape == (14, 14)
    assert found.values.dtype == np.float32
    np.testing.assert_allclose(found.values.ravel(), PATCHES[-1].mean(axis=0), rtol=1e-6)


def test_layers_then_heads_in_order() -> None:
    spec = MapSpec.from_request(manifest(), layers=[3, 1], heads=[2, 0])
    found = select(spec, TOKENS, PATCHES, PREFIX)
    assert [(m.layer, m.head) for m in found] == [(1, 0), (1, 2), (3, 0), (3, 2)]
    for m in found:
        assert np.array_equal(m.values.ravel(), PATCHES[m.layer, m.head])


def test_both_graphs_give_the_same_last_layer() -> None:
    spec = MapSpec.from_request(manifest(), all_heads=True)
    for one, other in zip(
        select(spec, TOKENS, PATCHES[-1], PREFIX[-1]), select(spec, TOKENS, PATCHES, PREFIX), strict=True
    ):
        assert np.array_equal(one.values, other.values)
        assert (one.layer, one.head, one.cls, one.registers) == (other.layer, other.head, other.cls, other.registers)


def test_statistics_and_prefix() -> None:
    for m in select(MapSpec.from_request(manifest(), all_layers=True, all_heads=True), TOKENS, PATCHES, PREFIX):
        row = ROWS[m.layer, m.head]
        assert m.cls == row[0]
        assert m.distillation == row[1]
        assert m.registers == pytest.approx(row[2:6].sum())
        assert (m.min, m.max) == (m.values.min(), m.values.max())
        assert m.sum + m.cls + m.distillation + m.registers == pytest.approx(1, abs=1e-5)


def test_a_plain_vit_has_no_registers_and_no_distillation() -> None:
    plain = TOKENS.model_copy(update={"distillation_tokens": 0, "register_tokens": 0})
    (found,) = select(MapSpec.from_request(manifest()), plain, PATCHES[-1], PREFIX[-1][:, :1])
    assert (found.distillation, found.registers) == (0, 0)
