"""Raising a graph's opset, for types or operators that the exported version of ONNX does not have."""

import onnx
from onnx import ModelProto, OperatorSetIdProto, helper

DEFAULT_DOMAIN = ("", "ai.onnx")
# Operators whose new versions between opset 20, which is exported, and 23 only take more types, so that the number can
# simply be raised.
ONLY_WIDENED = {
    "Cast", "Constant", "ConstantOfShape", "Conv", "Flatten", "Identity", "Pad", "Reshape", "Shape", "Size",
    "Squeeze", "Transpose", "Unsqueeze",
}  # fmt: skip


class OpsetError(ValueError):
    """An operator of the graph may mean something else in the later opset."""


def raised(model: ModelProto, opset: int) -> list[OperatorSetIdProto]:
    """Return the model's opset, or `opset` (up to 23) where that is later.

    Raises OpsetError unless the graph means the same in it.
    """
    found = next(known.version for known in model.opset_import if known.domain in DEFAULT_DOMAIN)
    for operator in {node.op_type for node in model.graph.node} - ONLY_WIDENED:
        old, new = (onnx.defs.get_schema(operator, version) for version in (found, max(found, opset)))
        if old.since_version != new.since_version:
            raise OpsetError(
                f"operator {operator} has another version in opset {opset}, which is needed, than in the graph's "
                f"{found}; accepted are those that only take more types: {', '.join(sorted(ONLY_WIDENED))}"
            )
    return [helper.make_opsetid("", max(found, opset))]
