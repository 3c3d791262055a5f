"""The layers of an engine, as the builder prints and the inspector returns them."""

import json

import pytest

from vitscope.server.engines.tensorrt.layers import fused_attention, inspected, layers_in

NAMES = ["_gemm_mha_v2_myl0_7", "node_MatMul_28+node_MatMul_20_myl0_3", "_gemm_mha_v2_myl0_26"]


def test_the_builder_prints_one_layer_a_line() -> None:
    lines = [f"Name: {name}, LayerType: gemm, Inputs: [ {{ Name: x, Dimensions: [1,2] }}]" for name in NAMES]
    assert layers_in("\n".join(["Engine Layer Information:", *lines])) == NAMES
    assert layers_in("Layer Name: x, with some LayerType: gemm") == []


@pytest.mark.parametrize("layers", [[{"Name": name, "LayerType": "gemm"} for name in NAMES], NAMES])
def test_the_inspector_returns_names_with_or_without_details(layers: list[object]) -> None:
    assert inspected(json.dumps({"Layers": layers, "Bindings": ["pixels"]})) == NAMES


@pytest.mark.parametrize(
    ("layers", "ranges", "count"), [(NAMES, 1, 2), (NAMES * 3, 3, 2), ([*NAMES * 2, NAMES[0]], 3, 1)]
)
def test_a_fusion_counts_where_every_range_has_it(layers: list[str], ranges: int, count: int) -> None:
    assert fused_attention(layers, ranges) == count
