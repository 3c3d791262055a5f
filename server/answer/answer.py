"""The answer to an `Ask`."""

from collections.abc import Mapping
from dataclasses import dataclass

from vitscope.bundle import Activation
from vitscope.server.answer.ranking import Ranked
from vitscope.server.engines.contract import Identity
from vitscope.server.errors import Outcome
from vitscope.server.images.geometry import Geometry
from vitscope.server.maps.condition import Decision
from vitscope.server.maps.encode import Encoded
from vitscope.server.maps.internals.blocks import Internals
from vitscope.server.maps.map import Map
from vitscope.server.maps.render import Rendered
from vitscope.server.sharing.calls import Origin

# Upper bounds of what a transport adds to the bytes of labels, maps and pictures: field tags, lengths, numbers.
_CLASS_BYTES, _MAP_BYTES, _EVIDENCE_BYTES, _REST_BYTES = 48, 256, 192, 4096


@dataclass(slots=True)
class AnsweredMap:
    """A map, its values in the requested type, and its picture if one was requested."""

    map: Map
    encoded: Encoded
    picture: Rendered | None


@dataclass(slots=True)
class Classification:
    """The result for one image.

    origin: computed for this request, shared with an equal request in flight, or cached from an earlier one.
    activation: of the model's head, which says what the probabilities of the classes are. decision: whether the
    condition of the maps was met; None without one. internals: what of the encoder's inside was asked for.
    """

    classes: list[Ranked]
    maps: list[AnsweredMap]
    geometry: Geometry
    engine: Identity
    origin: Origin
    activation: Activation = "softmax"
    decision: Decision | None = None
    internals: Internals | None = None

    def size(self) -> int:
        """Return an upper bound of the size of a reply in bytes."""
        maps = sum(
            _MAP_BYTES
            + len(item.encoded.data)
            + (len(item.picture.data) if item.picture else 0)
            + _evidence_size(item.map)
            for item in self.maps
        )
        classes = sum(_CLASS_BYTES + 4 * len(ranked.label) for ranked in self.classes)  # UTF-8: four bytes a character
        return _REST_BYTES + maps + classes


def _evidence_size(made: Map) -> int:
    evidence = made.evidence
    if evidence is None:
        return 0
    named = (evidence.explained, evidence.versus)
    bits = 0 if evidence.outliers is None else evidence.outliers.size // 8 + 1
    return _EVIDENCE_BYTES + bits + sum(4 * len(one.label) for one in named if one)


@dataclass(slots=True)
class Result:
    """A classification, the model version that made it, its duration by stage in seconds, and the size of its batch."""

    model: str
    version: int
    classification: Classification
    durations: Mapping[str, float]
    batch_size: int


@dataclass(slots=True)
class Answer:
    """How a request ended.

    With outcome OK there is a result. With any other there is an error: a ServerError, or a bug (FAILED).
    """

    outcome: Outcome
    result: Result | None = None
    error: Exception | None = None

    def unwrap(self) -> Result:
        """Return the result, or raise the error."""
        if self.result is not None:
            return self.result
        error = self.error or AssertionError(f"an answer that is {self.outcome} without an error")
        try:
            raise error
        finally:
            del self, error  # breaks a cycle: the error's traceback holds this frame
