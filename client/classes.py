"""Options that say which classes are explained, as fields of a request."""

from collections.abc import Sequence
from typing import TypeAlias

from vitscope.client.errors import InvalidRequest
from vitscope.client.evidence import When
from vitscope.client.fields import enum_value, extend_field, set_field
from vitscope.v1 import maps_pb2

OneClass: TypeAlias = str | int
"""A class: its label, or its index in the labels of the model."""


def set_classes(message: maps_pb2.MapOptions, classes: OneClass | Sequence[OneClass]) -> None:
    """Set the classes to explain. Raises InvalidRequest for what is neither a label nor an index."""
    several = [classes] if isinstance(classes, str | int) else list(classes)
    extend_field(message, "class_labels", "classes", [one for one in several if isinstance(one, str)])
    extend_field(message, "class_indices", "classes", [one for one in several if not isinstance(one, str)])


def set_versus(message: maps_pb2.MapOptions, versus: OneClass | None, rank: int | None) -> None:
    """Set the class to contrast with, by itself or by its rank. Raises InvalidRequest for both, or a wrong type."""
    if versus is not None and rank is not None:
        raise InvalidRequest(f"versus: {versus!r} beside versus_rank; accepted: one of them")
    if isinstance(versus, str):
        set_field(message, "versus_label", versus, "versus")
    elif versus is not None:
        set_field(message, "versus_index", versus, "versus")
    elif rank is not None:
        set_field(message, "versus_rank", rank)


def set_mode(message: maps_pb2.MapOptions, mode: str) -> None:
    """Set how evidence is computed. Raises InvalidRequest for an unknown name."""
    message.mode = enum_value(maps_pb2.EvidenceMode, "EVIDENCE_MODE", "mode", mode)


def set_when(message: maps_pb2.MapOptions, when: When) -> None:
    """Set the condition of the maps. Raises InvalidRequest for an unknown one, or a bound that is no number."""
    if not isinstance(when, When):
        raise InvalidRequest(f"when: {when!r}; accepted: When.confidence_below(bound) or When.margin_below(bound)")
    message.when = enum_value(maps_pb2.MapCondition, "MAP_CONDITION", "when", when.condition)
    set_field(message, "when_below", when.below, "when")
