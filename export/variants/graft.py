"""Branches of a traced model that stay as they are while the rest of it is quantized."""

import onnx_ir as ir

from vitscope.export.graph import INPUT, remove_unused


def trunk(model: ir.Model) -> ir.Model:
    """Copy a traced model without what needs inputs beside the pixels: the branches that answer questions."""
    model = model.clone()
    asked = {value.name for node in asking(model) for value in node.outputs}
    for value in [value for value in model.graph.outputs if value.name in asked]:
        model.graph.outputs.remove(value)
    remove_unused(model)
    return model


def graft(quantized: ir.Model, model: ir.Model) -> ir.Model:
    """Copy the quantized trunk of a traced model, and add what `trunk` left out, with weights as they were.

    Values of the trunk are found by their names, which quantization keeps.
    """
    result, source = quantized.clone(), model.clone()
    graph, kept = result.graph, {node.name for node in trunk(model).graph}
    known: dict[str | None, ir.Value] = {value.name: value for node in graph for value in node.outputs}
    known |= {value.name: value for value in graph.inputs}
    for value in source.graph.inputs[1:]:
        known[value.name] = ir.val(value.name, value.dtype, value.shape)
        graph.inputs.append(known[value.name])
    for node in list(source.graph):
        if node.name in kept:
            continue
        inputs = [_grafted(graph, known, value) for value in node.inputs]
        outputs = [ir.val(value.name, value.dtype, value.shape) for value in node.outputs]
        known |= {value.name: value for value in outputs}
        graph.append(
            ir.Node(node.domain, node.op_type, inputs, node.attributes.values(), outputs=outputs, name=node.name)
        )
    names = [value.name for value in model.graph.outputs]
    graph.outputs.clear()
    graph.outputs.extend(known[name] for name in names)
    return result


def asking(model: ir.Model) -> list[ir.Node]:
    """List the nodes that depend on an input beside the pixels, first to last."""
    found, reached = [], {value for value in model.graph.inputs if value.name != INPUT}
    for node in model.graph:
        if any(value in reached for value in node.inputs):
            found.append(node)
            reached.update(node.outputs)
    return found


def _grafted(graph: ir.Graph, known: dict[str | None, ir.Value], value: ir.Value | None) -> ir.Value | None:
    """Return the value that stands for a value of the source; constants are copied under a name of their own."""
    if value is None:
        return None
    if value.const_value is None or not value.is_initializer():
        return known[value.name]
    name = f"float/{value.name}"
    if name not in known:
        known[name] = ir.val(name, value.dtype, value.shape, const_value=value.const_value)
        graph.register_initializer(known[name])
    return known[name]
