"""Checks of an exported graph. Each stands for a defect of past exports that nothing else had reported."""

from pathlib import Path

import onnx

from vitscope.bundle import Graph, InputContract
from vitscope.export.errors import ExportError
from vitscope.export.graph.tracing import INPUT

_KINDS = {"float32": "FLOAT", "int64": "INT64"}
FORBIDDEN = {
    "Resize": "a position table is still interpolated in the graph",
    "IsNaN": "attention went through a masked form",
    "Where": "attention is masked, or a shape is chosen at run time",
}


def lint(path: Path, graph: Graph, contract: InputContract, softmaxes: int) -> None:
    """Check one exported graph. `softmaxes`: encoder blocks plus side branches.

    Raises ExportError that lists all problems.
    """
    onnx.checker.check_model(path)
    model = onnx.load(path, load_external_data=False).graph
    problems = [
        *_forbidden(model),
        *_softmaxes(model, softmaxes),
        *_dequantized(model),
        *_inputs(model, graph, contract),
        *_outputs(model, graph),
    ]
    if problems:
        raise ExportError(f"graph {path.name} is not fit to serve: {'; '.join(problems)}")


def _forbidden(model: onnx.GraphProto) -> list[str]:
    found = {node.op_type for node in model.node}
    return [f"it holds {name} ({meaning})" for name, meaning in FORBIDDEN.items() if name in found]


def _softmaxes(model: onnx.GraphProto, expected: int) -> list[str]:
    found = sum(node.op_type == "Softmax" for node in model.node)
    return [] if found == expected else [f"it holds {found} Softmax nodes instead of {expected}"]


def _dequantized(model: onnx.GraphProto) -> list[str]:
    """Find products that TensorRT would not run in 8 bits: both operands must come straight from DequantizeLinear."""
    dequantized = {node.output[0] for node in model.node if node.op_type == "DequantizeLinear"}
    problems = []
    for node in model.node:
        others = [name for name in node.input if name not in dequantized]
        if len(others) < len(node.input) and (others or node.op_type != "MatMul"):
            problems.append(f"{node.op_type} {node.name} reads DequantizeLinear; accepted is a MatMul of two of them")
    return problems


def _inputs(model: onnx.GraphProto, graph: Graph, contract: InputContract) -> list[str]:
    found, expected = [value.name for value in model.input], [INPUT, *(one.name for one in graph.inputs)]
    if found != expected:
        return [f"its inputs are {', '.join(found) or 'none'} instead of {', '.join(expected)}"]
    kinds = ["UINT8", *(one.dtype.upper() for one in graph.inputs)]
    shapes = [("N", contract.height, contract.width, 3), *(one.shape for one in graph.inputs)]
    problems = []
    for value, kind, shape in zip(model.input, kinds, shapes, strict=True):
        problems += [*_kind(value, kind, "input"), *_shape(value, shape)]
    early = {n.op_type for n in model.node if INPUT in n.input} - {"Cast", "Shape"}
    if early:
        problems.append(f"{', '.join(sorted(early))} reads {INPUT} before the cast to float")
    return problems


def _outputs(model: onnx.GraphProto, graph: Graph) -> list[str]:
    found, expected = [value.name for value in model.output], [output.name for output in graph.outputs]
    if found != expected:
        return [f"its outputs are {', '.join(found)} instead of {', '.join(expected)}"]
    pairs = zip(model.output, graph.outputs, strict=True)
    return [
        problem
        for value, output in pairs
        for problem in (*_kind(value, _KINDS[output.dtype], "output"), *_shape(value, output.shape))
    ]


def _kind(value: onnx.ValueInfoProto, expected: str, what: str) -> list[str]:
    found = onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type)
    return [] if found == expected else [f"{what} {value.name} is {found} instead of {expected}"]


def _shape(value: onnx.ValueInfoProto, expected: tuple[int | str, ...]) -> list[str]:
    dims = value.type.tensor_type.shape.dim
    found = tuple(d.dim_value if d.HasField("dim_value") else _symbol(d.dim_param) for d in dims)
    if found == expected:
        return []
    if found[1:] == expected[1:] and found and isinstance(found[0], int):
        return [f"the batch of {value.name} is fixed at {found[0]}"]
    return [f"the shape of {value.name} is {list(found)} instead of {list(expected)}"]


def _symbol(name: str) -> str:
    """Return a dimension that is open: K is the classes that are asked about, any other name stands for the batch."""
    return name if name == "K" else "N"
