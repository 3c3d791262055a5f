"""All engines, best first. An engine is added by adding its `KIND` here."""

from collections.abc import Iterator
from typing import NamedTuple, get_args

from vitscope.server.engines import onnxruntime, onnxruntime_cuda, openvino
from vitscope.server.engines.contract import Precision, label
from vitscope.server.engines.kind import EngineKind
from vitscope.server.engines.tensorrt import kind as tensorrt

LADDER: tuple[EngineKind, ...] = (
    tensorrt.KIND,
    onnxruntime_cuda.KIND,
    onnxruntime_cuda.FUSED_KIND,
    openvino.KIND,
    onnxruntime.KIND,
)
ENGINES = tuple(kind.name for kind in LADDER if kind.form_of is None)
"""Names that can be asked for."""
PRECISIONS = tuple(
    precision for precision in get_args(Precision) if any(precision in kind.precisions for kind in LADDER)
)


class Rung(NamedTuple):
    """An engine at a precision."""

    kind: EngineKind
    precision: Precision

    def __str__(self) -> str:
        return label(self.kind.name, self.precision)


def rungs() -> Iterator[Rung]:
    """Yield every engine at every precision, best first; other forms of an engine follow it at the same precision."""
    for kind in LADDER:
        if kind.form_of is None:
            forms = [form for form in LADDER if form.plain_form == kind.name]
            for precision in kind.precisions:
                yield from (Rung(form, precision) for form in forms if precision in form.precisions)


def kind_named(name: str) -> EngineKind:
    """Return the engine of a name. Raises KeyError."""
    return {kind.name: kind for kind in LADDER}[name]


def default_kind() -> EngineKind:
    """Return the engine that most machines end up with: the best that needs no GPU."""
    return next(kind for kind in LADDER if not kind.gated)
