"""The linear layers of a traced model, by the part of the encoder block that they are in."""

import ast
import re

import onnx_ir as ir

Layers = dict[str, list[str]]
"""Names of linear nodes by half of an encoder block, such as "block 3 mlp", first to last."""

_SCOPES = "pkg.torch.onnx.name_scopes"
_HALF = re.compile(r"\.layers?\.(\d+)\.(\w+)")


def linear_layers(model: ir.Model) -> Layers:
    """Find the products with weights in the encoder blocks of a traced model: 95 % of a ViT-B's arithmetic."""
    layers: Layers = {}
    for node in model.graph:
        scopes = ast.literal_eval(node.metadata_props.get(_SCOPES, "[]"))
        half = next((match for scope in reversed(scopes) if (match := _HALF.search(scope))), None)
        if half and node.op_type == "MatMul" and node.inputs[1] is not None and node.inputs[1].is_initializer():
            layers.setdefault(f"block {half[1]} {half[2]}", []).append(node.name or "")
    return layers
