"""The entry of a graph in the manifest."""

from typing import Literal

from pydantic import Field

from vitscope.bundle.fields import Identifier, Positive, Strict

# The graphs. CLASSIFY is always loaded; ATTENTION if a request asks for other layers than the last, EVIDENCE if it asks
# why a class, FULL if it asks for what is inside of the encoder, and then only while that goes on.
GraphName = Literal["classify", "attention", "evidence", "full"]
CLASSIFY: GraphName = "classify"
ATTENTION: GraphName = "attention"
EVIDENCE: GraphName = "evidence"
FULL: GraphName = "full"
FLOATING = frozenset({EVIDENCE, FULL})
"""Graphs that explain stay in floating point beside the 8-bit forms of the others."""

# Other forms of a graph, with the same inputs and outputs.
Variant = Literal["int8", "fp8"]
INT8: Variant = "int8"
FP8: Variant = "fp8"


class Input(Strict):
    """One input of a graph. `shape` uses N for the batch and K for the classes that are asked about."""

    name: Identifier
    shape: tuple[Literal["N", "K"] | Positive, ...]
    dtype: Literal["int64"] = "int64"


class Output(Strict):
    """One output of a graph. `shape` uses N for the batch and K for the classes that are asked about."""

    name: Identifier
    shape: tuple[Literal["N", "K"] | Positive, ...]
    dtype: Literal["float32", "int64"] = "float32"


class Graph(Strict):
    """One ONNX file. Input `pixels` uint8 [N, height, width, 3], then `inputs`; outputs in order.

    `logits` is [N, labels]. `attention` holds rows over the patches, of the token that `tokens.attention_from` names:
    [N, heads, patches] of the last layer in the `classify` graph, [N, layers, heads, patches] in the `attention` graph.
    `attention_prefix` holds the same rows over the prefix tokens, if there are any. `cam` [N, patches] is the share of
    each patch in the logit of the most probable class, and `cam_rest` [N, 1] what of that logit belongs to no patch.
    The `full` graph has what is inside of the encoder, for T tokens and heads that are d wide: `matrices`
    [N, layers, heads, T, T], `queries`, `keys` and `values` [N, layers, heads, T, d], `token_norms` [N, layers + 1, T],
    `updates` [N, layers, 2, T], the norms of what attention and then the MLP add to each token (not in older bundles),
    and where the head reads tokens one by one `lens` [N, layers + 1, T, labels].
    The `evidence` graph has a second input, `target_class` [N, K]: c >= 0 asks about class c, -k about the k-th most
    probable one (of the first 100). `evidence` [N, K, patches] is the share of each patch in that class, signed, of
    what the head reads in the last attention: of its log-probability where the head has a softmax, else of its logit.
    `evidence_gradient` and `evidence_direct` are two other ways to share it. `evidence_ledger` [N, K, 5] holds the
    target, its base (without what was read), the share of the class token, that of the other prefix tokens, and the
    share of the last attention in what the target gained on a head without features; base and all shares add up to the
    target. `evidence_class` [N, K] are the classes. `evidence_norms` [N, patches], where there is one, holds the norms
    of the patches' tokens as they enter the last block.
    Other outputs belong to other explanation methods.
    variants: files of the same graph in another form. int8: linear layers in 8 bits, between QuantizeLinear and
    DequantizeLinear nodes. fp8: the same for linear layers and attention products in E4M3; for GPUs of compute
    capability 8.9 and higher.
    """

    file: str
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...]
    variants: dict[Variant, str] = Field(default_factory=dict)

    def has(self, output: str) -> bool:
        """Return True if the graph has this output."""
        return any(output == known.name for known in self.outputs)
