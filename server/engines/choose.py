"""Which engine serves a bundle: the best that works on this machine and that the bundle's certificate covers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from vitscope.bundle import FLOATING, FP8, INT8, Bundle, Certificate, GraphName, Variant
from vitscope.server.engines.contract import Precision, label
from vitscope.server.engines.kind import EngineKind
from vitscope.server.engines.ladder import Rung, rungs


class NoEngine(Exception):
    """No engine can serve the bundle under these settings; the message says why for each."""


@dataclass(frozen=True)
class Wanted:
    """The operator's wishes: engine and precision by name or "auto"."""

    engine: str
    precision: str
    allow_uncertified: bool

    def accepts(self, kind: EngineKind) -> bool:
        """Return whether `kind`, or the engine that it is a form of, is asked for."""
        return self.engine in ("auto", kind.name, kind.plain_form)


@dataclass(frozen=True)
class Choice:
    """An engine and precision.

    arithmetic: "f32" or "bf16", the type that the engine computes in where the graph says floating point; equal to the
    precision except for int8. reason: in one sentence. certified: whether the bundle's certificate covers it and it
    passed, or the gate checks it on this machine before it serves.
    """

    kind: EngineKind
    precision: Precision
    arithmetic: Precision
    reason: str
    certified: bool

    def __str__(self) -> str:
        return label(self.engine, self.precision)

    @property
    def engine(self) -> str:
        return self.kind.name

    def graph_path(self, bundle: Bundle, graph: GraphName) -> Path:
        """Return the ONNX file that the engine has to load."""
        return bundle.graph_path(graph, None if graph in FLOATING else _VARIANTS.get(self.precision))


_VARIANTS: Mapping[str, Variant] = {"int8": INT8, "fp8": FP8}
# Width from which single activations beyond 65,504 are reported (DINOv2-L), which a gate with a few images may not
# meet.
_WIDE = 1024
_ELSEWHERE = "not on this machine, see `vitscope engines`"
NOTHING: Mapping[str, str] = {}


def objections(bundle: Bundle | None = None) -> Iterator[tuple[Rung, str | None]]:
    """Yield every rung of the ladder with None where this machine can run it (for `bundle`), else why not."""
    for rung in rungs():
        yield rung, (_missing(bundle, rung.precision) if bundle else None) or rung.kind.why_not(rung.precision)


def choice_of(bundle: Bundle, rung: Rung) -> Choice:
    """Return a rung of the ladder as the choice for a bundle, as asked for."""
    certified = _doubt(bundle.certificate, rung) is None
    return Choice(*rung, _arithmetic(bundle.certificate, rung), "as asked for", certified)


def choose(bundle: Bundle, wanted: Wanted, excluded: Mapping[str, str] = NOTHING) -> tuple[Choice, ...]:
    """Return the engines that may serve the bundle and have to be measured against one another, best guess first.

    Usually that is one: the first rung of the ladder that the operator allows, this machine runs and the certificate
    covers. Where that is int8, the next such rung is added, because which of int8 and bf16 is faster depends on
    processor and model; where the engine has another form, that is added. Where the certificate covers none, float32
    that was never
    measured is returned, not certified: it is what was exported. What was measured and fell short, or another
    precision, is returned only under `allow_uncertified`.
    excluded: the reason against each rung ("tensorrt/f16") that was tried already. Raises NoEngine.
    """
    certified: list[Choice] = []
    doubtful: list[Choice] = []
    passed_over: dict[str, str] = {}
    for rung in rungs():
        precision = rung.precision
        if not wanted.accepts(rung.kind) or wanted.precision not in ("auto", precision):
            continue
        if len(certified) == 2 or (certified and not _rivals(certified[0], rung)):
            break
        if wanted.precision == "auto" and _not_asked_for(bundle, precision):
            continue
        objection = excluded.get(str(rung)) or _missing(bundle, precision) or _why_not(rung, wanted)
        if objection is None and wanted.precision == "auto":
            objection = _unsafe(bundle, precision)
        doubt = _doubt(bundle.certificate, rung)
        arithmetic = _arithmetic(bundle.certificate, rung)
        if objection is None and doubt is None:
            certified.append(Choice(*rung, arithmetic, _reason(wanted, passed_over, None), certified=True))
            continue
        unmeasured = bundle.certificate.entry(rung.kind.name, precision) is None
        if objection is None and ((precision == "f32" and unmeasured) or wanted.allow_uncertified):
            doubtful.append(Choice(*rung, arithmetic, _reason(wanted, passed_over, doubt), certified=False))
        passed_over[str(rung)] = str(objection or doubt)
    if certified or doubtful:
        return tuple(certified or doubtful[:1])
    if not passed_over:
        asked = label(wanted.engine, wanted.precision)
        raise NoEngine(f"no engine is called {asked}; accepted: {', '.join(map(str, rungs()))}")
    raise NoEngine("; ".join(_grouped(passed_over)))


def _rivals(best: Choice, rung: Rung) -> bool:
    """Return whether only measuring can tell if a lower rung is faster."""
    return best.precision == "int8" or (rung.kind.form_of, rung.precision) == (best.engine, best.precision)


def _why_not(rung: Rung, wanted: Wanted) -> str | None:
    objection = rung.kind.why_not(rung.precision)
    if objection and rung.kind.gated and wanted.engine == "auto":
        return _ELSEWHERE  # a machine without a GPU needs no details
    return objection


def _unsafe(bundle: Bundle, precision: Precision) -> str | None:
    """Return why a precision is not tried unless it is asked for."""
    manifest = bundle.manifest
    if precision == "f16" and manifest.family.startswith("dinov2") and manifest.width >= _WIDE:
        return f"activations of a DINOv2 as wide as {manifest.width} can overflow in f16 on some images"
    return None


def _not_asked_for(bundle: Bundle, precision: Precision) -> bool:
    """Return whether a precision needs consent that was not given.

    8 bits are for those who exported them; fp8, which costs more accuracy, for those who also ask for it here.
    """
    return precision == "fp8" or (precision == "int8" and INT8 not in bundle.manifest.variants)


def _grouped(passed_over: Mapping[str, str]) -> Iterator[str]:
    """Yield one part for each reason, with the rungs that it holds for."""
    by_reason: dict[str, list[str]] = {}
    for rung, reason in passed_over.items():
        by_reason.setdefault(reason, []).append(rung)
    yield from (f"{', '.join(names)}: {reason}" for reason, names in by_reason.items())


def _missing(bundle: Bundle, precision: Precision) -> str | None:
    variant = _VARIANTS.get(precision)
    if variant is not None and variant not in bundle.manifest.variants:
        return f"the bundle has no {precision} graphs; `vitscope export --{precision}` makes them"
    return None


def _arithmetic(certificate: Certificate, rung: Rung) -> Precision:
    """Return the type of an int8 graph's floating-point operations: as measured by the export, under the same rule."""
    kind, precision = rung
    if precision != "int8":
        return precision
    bf16 = Rung(kind, "bf16")
    return "bf16" if _doubt(certificate, bf16) is None and kind.why_not("bf16") is None else "f32"


def _doubt(certificate: Certificate, rung: Rung) -> str | None:
    """Return why the certificate does not vouch for a rung; None where it does, or the gate decides instead."""
    if rung.kind.gated:
        return None
    entry = certificate.entry(rung.kind.name, rung.precision)
    if entry is None:
        detail = certificate.not_measured.get(str(rung))
        return "the bundle's certificate does not cover it" + (f" ({detail})" if detail else "")
    return None if entry.passed else "it failed certification: " + "; ".join(entry.shortfalls)


def _reason(wanted: Wanted, passed_over: Mapping[str, str], doubt: str | None) -> str:
    asked = wanted.engine != "auto" or wanted.precision != "auto"
    parts = ["as asked for" if asked else "from the ladder, best first"]
    here = {rung: reason for rung, reason in passed_over.items() if reason != _ELSEWHERE}
    parts += [f"passed over {part}" for part in _grouped(here)]
    if doubt:
        parts.append(f"NOT CERTIFIED: {doubt}")
    return "; ".join(parts)
