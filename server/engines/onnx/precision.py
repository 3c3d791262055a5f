"""Half precision in the graph itself: TensorRT 11 takes the arithmetic from the types in the ONNX file alone."""

from collections import Counter
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper, shape_inference

from vitscope.server.engines.onnx.explained import explained
from vitscope.server.engines.onnx.opset import DEFAULT_DOMAIN, raised

Arithmetic = Literal["f32", "f16", "bf16"]
Message = TypeVar("Message", ModelProto, NodeProto, TensorProto)

LARGEST = 1_900_000_000  # bytes of weights inside an ONNX file: protobuf ends at 2 GiB, nodes and all

_ELEMENT = {"f16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}
_GREATEST = {TensorProto.FLOAT16: 65504.0, TensorProto.BFLOAT16: 3.38953e38}
_OPSET, _IR_VERSION = 22, 10  # the first opset whose Conv takes bfloat16, and the file format that goes with it


class PrecisionError(ValueError):
    """The graph has no form in this arithmetic."""


def retype(model: ModelProto, precision: Arithmetic) -> ModelProto:
    """Copy an exported float32 graph, weights inside, so that it computes in `precision`. Inputs and outputs are kept.

    float32 is left only in the outputs, in the normalisation of the pixels, and in what explains classes: all that the
    logits do not need, in a graph that takes `target_class` (onnx/explained.py). LayerNormalization computes in float32
    inside, whatever its type, because of its stash_type. Weights are rounded to nearest; those too small for f16 become
    subnormal or zero. bf16 raises the opset to 22.

    Raises PrecisionError for a tensor with values that overflow (named, with the largest), for operators of another
    domain or with a subgraph, and where types do not fit together or would stay float32; OpsetError for operators
    whose meaning may change up to opset 22.
    """
    if precision == "f32":
        return _copy(model)
    graph, element = model.graph, _ELEMENT[precision]
    # Rounded after each step, pixels are off by up to 1.8 grey levels in bf16 and 0.2 in f16, with a bias of up to
    # 0.7 and 0.04 in a channel; rounded once at the end, by 0.4 and 0.06, without a bias. This alone reduces the
    # error of a small bf16 ViT's logits from 0.02 to 0.006 of 10. It costs nothing: TensorRT makes one kernel of it
    # either way.
    exact = _normalisation(graph)
    branch = explained(graph, lambda: float32_tensors(model))
    outputs = [value.name for value in graph.output if value.type.tensor_type.elem_type == TensorProto.FLOAT]
    outputs = [name for name in outputs if name not in branch.computed]
    rounded = {name: f"{name}_{precision}" for name in [*exact[-1:], *outputs]}
    constants = {tensor.name: f"{tensor.name}_f32" for tensor in graph.initializer}
    nodes = []
    for node in graph.node:
        if node.output[0] in exact:
            nodes.append(_renamed(node, constants))
        elif node.output[0] in branch.computed:
            nodes.append(_renamed(node, {**constants, **branch.read}))
        else:
            nodes.append(_renamed(_retyped(node, element), rounded))
            widened = [name for name in node.output if name in branch.read]
            nodes += [_cast(rounded.get(name, name), branch.read[name], TensorProto.FLOAT) for name in widened]
        if exact and node.output[0] == exact[-1]:
            nodes.append(_cast(exact[-1], rounded[exact[-1]], element))
    nodes += [_cast(rounded[name], name, TensorProto.FLOAT) for name in outputs]
    read = {name for node in nodes for name in node.input}
    weights = [_rounded(tensor, element) for tensor in graph.initializer if tensor.name in read]
    weights += [
        _named(tensor, constants[tensor.name]) for tensor in graph.initializer if constants[tensor.name] in read
    ]
    result = helper.make_model(
        helper.make_graph(nodes, graph.name, graph.input, graph.output, weights),
        opset_imports=raised(model, _OPSET) if precision == "bf16" else model.opset_import,
        ir_version=max(model.ir_version, _IR_VERSION),
    )
    inferred = _inferred(result)
    if islands := _in_float32(inferred) - {*outputs, *exact, *branch.computed, *branch.read.values()}:
        raise PrecisionError(f"the graph in {precision} still computes {', '.join(sorted(islands))} in float32")
    result.graph.value_info.extend(inferred.graph.value_info)
    return result


def float32_tensors(model: ModelProto) -> set[str]:
    """Return the names of the tensors that a graph computes in float32, by strict type inference.

    Raises PrecisionError for types that do not fit together.
    """
    return _in_float32(_inferred(model))


def write(model: ModelProto, path: Path, largest: int = LARGEST) -> None:
    """Write a model to `path`; weights of more than `largest` bytes go to a file beside it, called `path` + ".data"."""
    weights = path.with_name(f"{path.name}.data")
    weights.unlink(missing_ok=True)  # onnx would append to it
    if sum(tensor.ByteSize() for tensor in model.graph.initializer) <= largest:
        path.write_bytes(model.SerializeToString())
        return
    # A copy, because onnx takes the weights out of the model that it saves.
    onnx.save(_copy(model), path, save_as_external_data=True, location=weights.name)


def _normalisation(graph: GraphProto) -> list[str]:
    """Return the tensors from the cast of the input to the last product or sum with constants.

    Empty if nothing follows the cast.
    """
    constants, inputs = {tensor.name for tensor in graph.initializer}, {value.name for value in graph.input}
    outputs = {value.name for value in graph.output}
    readers = Counter(name for node in graph.node for name in node.input)
    chain: list[str] = []
    for node in graph.node:
        if not chain and node.op_type == "Cast" and node.input[0] in inputs:
            chain.append(node.output[0])
        elif chain and chain[-1] in node.input and node.op_type in ("Mul", "Add", "Sub", "Div"):
            last = readers[chain[-1]] > 1 or node.output[0] in outputs
            if last or not constants.issuperset({*node.input} - {chain[-1]}):
                break
            chain.append(node.output[0])
    return chain if len(chain) > 1 else []


def _retyped(node: NodeProto, element: int) -> NodeProto:
    """Copy a node, with every attribute that is a float32 constant, or names that type, changed to the new type."""
    inside = any(attribute.type == AttributeProto.GRAPH for attribute in node.attribute)
    if inside or node.domain not in DEFAULT_DOMAIN:
        raise PrecisionError(
            f"node {node.name} is a {node.domain or 'ai.onnx'} {node.op_type}; accepted are operators of ai.onnx "
            "without a graph inside"
        )
    copy = _copy(node)
    del copy.attribute[:]
    copy.attribute.extend(_attribute(node, attribute, element) for attribute in node.attribute)
    if node.op_type == "ConstantOfShape" and not node.attribute:  # float32 zeros, by default
        copy.attribute.append(helper.make_attribute("value", helper.make_tensor("", element, [1], [0.0])))
    return copy


def _attribute(node: NodeProto, attribute: AttributeProto, element: int) -> AttributeProto:
    if attribute.name in ("to", "dtype") and attribute.i == TensorProto.FLOAT:
        return helper.make_attribute(attribute.name, element)
    if attribute.type == AttributeProto.TENSOR:
        return helper.make_attribute(attribute.name, _rounded(_named(attribute.t, node.output[0]), element))
    if attribute.name in ("value_float", "value_floats"):
        values = np.array(helper.get_attribute_value(attribute), np.float32)
        return helper.make_attribute("value", _rounded(numpy_helper.from_array(values, node.output[0]), element))
    return attribute


def _rounded(tensor: TensorProto, element: int) -> TensorProto:
    """Return the tensor in the new type if it is float32, else itself."""
    if tensor.data_type != TensorProto.FLOAT:
        return tensor
    values = numpy_helper.to_array(tensor)
    with np.errstate(over="ignore"):
        rounded = values.astype(helper.tensor_dtype_to_np_dtype(element))
    lost = np.isfinite(values) & ~np.isfinite(rounded)
    if lost.any():
        raise PrecisionError(
            f"tensor {tensor.name}: its largest value, {np.abs(values[lost]).max():.6g}, is beyond the "
            f"{_GREATEST[element]:g} of {TensorProto.DataType.Name(element).lower()}; accepted is the next precision "
            "up (bf16 after f16, then f32)"
        )
    return numpy_helper.from_array(rounded, tensor.name)


def _copy(message: Message) -> Message:
    copy = type(message)()
    copy.CopyFrom(message)
    return copy


def _named(tensor: TensorProto, name: str) -> TensorProto:
    copy = _copy(tensor)
    copy.name = name
    return copy


def _renamed(node: NodeProto, names: dict[str, str]) -> NodeProto:
    copy = _copy(node)
    copy.input[:] = [names.get(name, name) for name in node.input]
    copy.output[:] = [names.get(name, name) for name in node.output]
    return copy


def _cast(source: str, target: str, element: int) -> NodeProto:
    return helper.make_node("Cast", [source], [target], name=f"{target}_cast", to=element)


def _inferred(model: ModelProto) -> ModelProto:
    """Return the model without its weights, with the type and shape of every tensor that it computes."""
    graph = model.graph
    # Inference reads constants only for shapes, which are int64. The rest could exceed protobuf's limit of 2 GiB.
    shapes = [tensor for tensor in graph.initializer if tensor.data_type == TensorProto.INT64]
    weights = [
        helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        for tensor in graph.initializer
        if tensor.data_type != TensorProto.INT64
    ]
    light = helper.make_model(
        helper.make_graph(graph.node, graph.name, [*graph.input, *weights], graph.output, shapes),
        opset_imports=model.opset_import,
        ir_version=model.ir_version,
    )
    try:
        return shape_inference.infer_shapes(light, check_type=True, strict_mode=True, data_prop=True)
    except shape_inference.InferenceError as error:
        raise PrecisionError(f"the types in the graph do not fit together: {error}") from error


def _in_float32(inferred: ModelProto) -> set[str]:
    graph = inferred.graph
    types = {value.name: value.type.tensor_type.elem_type for value in [*graph.value_info, *graph.output]}
    computed = {name for node in graph.node for name in node.output if name}
    # A tensor without an inferred type may be anything.
    return {name for name in computed if types.get(name, TensorProto.FLOAT) == TensorProto.FLOAT}
