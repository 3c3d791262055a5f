"""Why a class: what a map of evidence says beside its values, and when maps are asked for."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitscope.client.fields import enum_name
from vitscope.v1 import maps_pb2


@dataclass(frozen=True)
class When:
    """The condition under which the server makes maps, decided once it knows the classes; the image is decoded once."""

    condition: str
    """ "confidence_below" or "margin_below"; "always" has no bound."""
    below: float = 0.0
    """The bound, above 0 and up to 1."""

    @classmethod
    def confidence_below(cls, bound: float) -> "When":
        """Where the most probable class is less probable than `bound`; of independent labels, where any is decided with
        less certainty."""
        return cls("confidence_below", bound)

    @classmethod
    def margin_below(cls, bound: float) -> "When":
        """Where the most probable class is ahead of the second by less than `bound`."""
        return cls("margin_below", bound)


@dataclass(frozen=True)
class MapsDecision:
    """Whether the condition of a request was met."""

    made: bool
    """Whether the maps were made."""
    when: When
    """The condition, as asked for."""
    value: float
    """What was compared with its bound: the confidence or the margin of the answer, 0 to 1."""

    @classmethod
    def of(cls, message: maps_pb2.MapsDecision) -> "MapsDecision":
        """Convert a received message."""
        condition = enum_name(maps_pb2.MapCondition, "MAP_CONDITION", message.when)
        return cls(message.made, When(condition, message.below), message.value)


@dataclass(frozen=True)
class ExplainedClass:
    """A class."""

    index: int
    """Index in the labels of the model, from 0."""
    label: str
    """Name of the class."""

    @classmethod
    def of(cls, message: maps_pb2.ExplainedClass) -> "ExplainedClass":
        """Convert a received message."""
        return cls(message.index, message.label)


@dataclass(frozen=True)
class Ledger:
    """What the target is made of: base + patches + cls_self + registers + completeness_error = target.

    The modes "gradient" and "direct" do not account for all of it: what they do not know is None, and patches +
    completeness_error = target.
    """

    target: float
    """The class's log-probability or logit, as `Evidence.target` says."""
    base: float | None
    """What was there before the last block read anything."""
    patches: float
    """Read from the patches: the sum of the map."""
    cls_self: float | None
    """Read by the class token from itself."""
    registers: float | None
    """Read from the other tokens before the patches: distillation token, registers."""
    completeness_error: float
    """What the other terms leave over."""
    last_block_share: float | None
    """What the last block read, as a share of what the target gained on a head without features; not bounded. Where it
    is small, the map is not the story. None in a contrast as well."""

    @classmethod
    def of(cls, message: maps_pb2.Ledger) -> "Ledger":
        """Convert a received message."""

        def term(name: str) -> float | None:
            return float(getattr(message, name)) if message.HasField(name) else None  # type: ignore[arg-type]

        return cls(
            message.target,
            term("base"),
            message.patches,
            term("cls_self"),
            term("registers"),
            message.completeness_error,
            term("last_block_share"),
        )


@dataclass(frozen=True)
class Evidence:
    """What a map of evidence explains."""

    explained: ExplainedClass
    """The class explained."""
    versus: ExplainedClass | None
    """The class that it is explained against: values and ledger are then those of `explained` less those of this class.
    None without a contrast."""
    target: str
    """What the shares are shares of: "log_probability" (in a contrast the log-odds of the two classes) or "logit"."""
    mode: str
    """How they were computed: "integrated", "gradient" or "direct"."""
    ledger: Ledger
    """How they add up."""
    tokens: str
    """Which tokens the patches stand for: "last_attention", what goes into it; "output", what comes out of the last
    block; "both", added up."""
    border_share: float
    """Of the evidence in the patches, by absolute value, what lies in the grid's outer rows and columns, 0 to 1."""
    prefix_share: float | None
    """Of all evidence, what was read from the tokens before the patches, 0 to 1. None in the other modes."""
    outlier_share: float | None
    """Of the evidence in the patches, what lies on outliers, 0 to 1. None where the graph does not tell."""
    outliers: NDArray[np.bool_] | None
    """Which patches' tokens have an outlying norm, bool [rows, cols]. None where the graph does not tell."""

    @classmethod
    def of(cls, message: maps_pb2.Map) -> "Evidence":
        """Convert a received map."""
        evidence, shares = message.evidence, message.evidence.shares
        outliers = None
        if evidence.outliers:
            bits = np.unpackbits(np.frombuffer(evidence.outliers, np.uint8), bitorder="little")
            outliers = bits[: message.rows * message.cols].astype(bool).reshape(message.rows, message.cols)
        return cls(
            ExplainedClass.of(evidence.explained),
            ExplainedClass.of(evidence.versus) if evidence.HasField("versus") else None,
            enum_name(maps_pb2.EvidenceTarget, "EVIDENCE_TARGET", evidence.target),
            enum_name(maps_pb2.EvidenceMode, "EVIDENCE_MODE", evidence.mode),
            Ledger.of(evidence.ledger),
            enum_name(maps_pb2.EvidenceTokens, "EVIDENCE_TOKENS", evidence.tokens),
            shares.border,
            shares.prefix if shares.HasField("prefix") else None,
            shares.outliers if shares.HasField("outliers") else None,
            outliers,
        )
