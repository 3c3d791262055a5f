"""What one request gets of the inside of the encoder, checked against the model."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from vitscope.bundle import FULL, GraphName, Manifest
from vitscope.server.errors import InvalidRequest
from vitscope.server.maps.internals.options import (
    DEFAULT_PIECE,
    LARGEST_PIECE,
    LEAST_PIECE,
    PARTS_OF_HEADS,
    InternalsOptions,
    Part,
)
from vitscope.server.maps.methods.attention import require_full
from vitscope.server.maps.rollout import RolloutOptions
from vitscope.server.maps.spec import choose
from vitscope.server.maps.tokens import index_of

_BYTES = {"float32": 4, "float16": 2}


@dataclass(frozen=True, slots=True)
class Blocks:
    """The blocks of one part: one for each layer and head, or a single one where both are empty.

    tokens: of the first axis, for rows, columns and rollout. shape: of each block.
    """

    part: Part
    layers: tuple[int, ...]
    heads: tuple[int, ...]
    tokens: tuple[int, ...]
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Count the values of all blocks."""
        return math.prod(self.shape) * max(1, len(self.layers)) * max(1, len(self.heads))


@dataclass(frozen=True, slots=True)
class Selection:
    """The parts of one request. lens_classes: empty for those of the answer. piece_bytes: most values of a message."""

    manifest: Manifest
    parts: tuple[Blocks, ...]
    lens_classes: tuple[int, ...]
    rollout: RolloutOptions
    dtype: str
    piece_bytes: int

    @property
    def total_bytes(self) -> int:
        return sum(map(self.bytes_of, self.parts))

    def bytes_of(self, blocks: Blocks) -> int:
        """Count the bytes of all blocks of a part."""
        return blocks.size * _BYTES[self.dtype]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a reply in bytes: in all, and of the values of one message."""

    total: int
    piece: int = LARGEST_PIECE


_OF_SOME = ("lens", "updates")
"""Parts that the graph `full` of some models has."""

DEFAULT_LIMITS = Limits(2**28)


def output_bytes(manifest: Manifest, graph: GraphName) -> int:
    """Return the bytes of a graph's outputs for one image."""
    return sum(4 * math.prod(int(side) for side in output.shape[1:]) for output in manifest.graphs[graph].outputs)


def select(options: InternalsOptions, manifest: Manifest, limits: Limits, answered_classes: int) -> Selection:
    """Check the options against the model. answered_classes: how many classes the answer has.

    Raises InvalidRequest for a model without the graph `full`, for what the model does not have, and for too much.
    """
    require_full(manifest, "model", "a model with attention among all patches, exported with the graph 'full'")
    parts = _parts(options.parts, manifest)
    layers = choose("layers", options.layers or "all", manifest.layers, lowest=-manifest.layers)
    heads = choose("heads", options.heads or "all", manifest.heads)
    tokens = _tokens(options, manifest)
    if options.lens_classes and "lens" not in parts:
        raise InvalidRequest("lens_classes", str(list(options.lens_classes)), "none without the part lens")
    classes = choose("lens_classes", options.lens_classes, len(manifest.labels))
    options.rollout.first_of(manifest.layers)
    largest = min(LARGEST_PIECE, limits.piece)
    piece = options.piece_bytes or min(DEFAULT_PIECE, largest)
    if not LEAST_PIECE <= piece <= largest:
        raise InvalidRequest("piece_bytes", f"{piece:,}", f"{LEAST_PIECE:,} to {largest:,}, or 0 for the default")
    shapes = _shapes(manifest, len(tokens), len(classes) or answered_classes)
    of_tokens = ("rows", "columns", "rollout")
    chosen = tuple(
        Blocks(
            part,
            layers if part in PARTS_OF_HEADS else (),
            heads if part in PARTS_OF_HEADS else (),
            tokens if part in of_tokens else (),
            shapes[part],
        )
        for part in parts
    )
    selection = Selection(manifest, chosen, classes, options.rollout, options.dtype, piece)
    if selection.total_bytes > limits.total:
        raise InvalidRequest(
            "parts",
            f"a reply of {selection.total_bytes / 2**20:.1f} MiB",
            f"up to {limits.total / 2**20:.0f} MiB: fewer parts, layers or heads, or float16",
        )
    return selection


def parts_of(manifest: Manifest) -> tuple[Part, ...]:
    """Return the parts that a model can answer with: none without the graph `full`."""
    if FULL not in manifest.graphs:
        return ()
    graph = manifest.graphs[FULL]
    return tuple(part for part in get_args(Part) if part not in _OF_SOME or graph.has(part))


def _parts(wanted: Sequence[Part], manifest: Manifest) -> tuple[Part, ...]:
    """Return the parts in the order of the request, each once."""
    model, known = f"model {manifest.name!r}", parts_of(manifest)
    missing = {
        "lens": f"lens, and the head of {model} reads no single tokens",
        "updates": f"updates, and {model} was exported before there were any (export its checkpoint again)",
    }
    accepted = f"at least one of {', '.join(known)}, each once"
    if not wanted:
        raise InvalidRequest("parts", "none", accepted)
    for part in wanted:
        if part not in known:
            raise InvalidRequest("parts", missing.get(part, part), accepted)
    if len(set(wanted)) < len(wanted):
        raise InvalidRequest("parts", ", ".join(wanted), accepted)
    return tuple(wanted)


def _tokens(options: InternalsOptions, manifest: Manifest) -> tuple[int, ...]:
    """Return the chosen tokens by index, in the order of the request; the first of the sequence if there are none."""
    count = manifest.tokens.prefix + manifest.tokens.patches
    if len(options.tokens) > count:
        raise InvalidRequest("tokens", f"{len(options.tokens):,} of them", f"each of the {count} once at most")
    found = tuple(index_of(token, manifest.tokens, "tokens", "patches") for token in options.tokens)
    if len(set(found)) < len(found):
        raise InvalidRequest("tokens", f"{len(found)} of them, not all different", "each token once at most")
    return found or (0,)


def _shapes(manifest: Manifest, chosen: int, classes: int) -> dict[str, tuple[int, ...]]:
    tokens, states = manifest.tokens.prefix + manifest.tokens.patches, manifest.layers + 1
    width = next(output.shape[-1] for output in manifest.graphs[FULL].outputs if output.name == "queries")
    assert isinstance(width, int)
    return {
        "matrices": (tokens, tokens),
        **dict.fromkeys(("rows", "columns", "rollout"), (chosen, tokens)),
        **dict.fromkeys(("queries", "keys", "values"), (tokens, width)),
        "token_norms": (states, tokens),
        "updates": (manifest.layers, 2, tokens),
        "lens": (states, tokens, classes),
    }
