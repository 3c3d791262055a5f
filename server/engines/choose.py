"""Which engine serves a bundle: the best that works on this machine and that the bundle's certificate covers."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from vitscope.bundle import FP8, INT8, Bundle, Certificate, GraphName, Variant
from vitscope.server.engines import onnxruntime, onnxruntime_cuda, openvino
from vitscope.server.engines.contract import Precision
from vitscope.server.engines.tensorrt import bindings as tensorrt


class NoEngine(Exception):
    """No engine can serve the bundle under these settings; the message says why for each."""


@dataclass(frozen=True)
class Wanted:
    """The operator's wishes: engine and precision by name or "auto"."""

    engine: str
    precision: str
    allow_uncertified: bool


@dataclass(frozen=True)
class Choice:
    """An engine and precision, and in one sentence why. `certified`: the bundle's certificate covers it and passed, or it is checked
    on this very machine before it serves.

    arithmetic: "f32" or "bf16", what the engine computes in where the graph says floating point; the precision itself, but
    for int8.
    """

    engine: str
    precision: Precision
    arithmetic: Precision
    reason: str
    certified: bool

    def __str__(self) -> str:
        return f"{self.engine}/{self.precision}"

    def graph_path(self, bundle: Bundle, graph: GraphName) -> Path:
        """The ONNX file that the engine has to load."""
        return bundle.graph_path(graph, _VARIANTS.get(self.precision))


# Best first. Which of int8 and bf16 is faster depends on the processor and the model, so those two are measured; so are the two
# forms of onnxruntime-cuda.
LADDER: tuple[tuple[str, Precision], ...] = (
    (tensorrt.NAME, "f16"),
    (tensorrt.NAME, "bf16"),
    (tensorrt.NAME, "f32"),
    (tensorrt.NAME, "fp8"),
    (onnxruntime_cuda.NAME, "f16"),
    (onnxruntime_cuda.FUSED, "f16"),
    (onnxruntime_cuda.NAME, "f32"),
    (onnxruntime_cuda.FUSED, "f32"),
    (openvino.NAME, "int8"),
    (openvino.NAME, "bf16"),
    (openvino.NAME, "f32"),
    (onnxruntime.NAME, "f32"),
)
WHY_NOT: dict[str, Callable[[Precision], str | None]] = {
    tensorrt.NAME: tensorrt.why_not,
    onnxruntime_cuda.NAME: onnxruntime_cuda.why_not,
    onnxruntime_cuda.FUSED: onnxruntime_cuda.why_not,
    openvino.NAME: openvino.why_not,
    onnxruntime.NAME: onnxruntime.why_not,
}
# On a GPU the certificate of the exporting machine says nothing: the gate asks again there, see engines/gate.py.
GATED = (tensorrt.NAME, onnxruntime_cuda.NAME, onnxruntime_cuda.FUSED)
# Who asks for an engine by name gets the faster of its forms.
_FORM_OF = {onnxruntime_cuda.FUSED: onnxruntime_cuda.NAME}
ENGINES = tuple(dict.fromkeys(engine for engine, _ in LADDER if engine not in _FORM_OF))
"""What can be asked for by name."""
_VARIANTS: Mapping[str, Variant] = {"int8": INT8, "fp8": FP8}
# Reported from DINOv2-L on: single activations beyond 65,504, which a gate with a few images may not meet.
_WIDE = 1024
NOTHING: Mapping[str, str] = {}


def objections(bundle: Bundle | None = None) -> Iterator[tuple[str, Precision, str | None]]:
    """Every engine and precision, best first, with None where this machine can run it (for `bundle`), else why not."""
    for engine, precision in LADDER:
        yield engine, precision, (_missing(bundle, precision) if bundle else None) or WHY_NOT[engine](precision)


def means(wanted: str, engine: str) -> bool:
    """Whether an operator who asks for the engine `wanted` ("auto": any) may get `engine`."""
    return wanted in ("auto", engine, plain_form(engine))


def plain_form(engine: str) -> str:
    """The engine that runs the graphs as they are exported, where `engine` runs another form of them."""
    return _FORM_OF.get(engine, engine)


def choice_of(bundle: Bundle, engine: str, precision: Precision) -> Choice:
    """An engine and precision for a bundle, as asked for."""
    doubt = None if engine in GATED else _doubt(bundle.certificate, engine, precision)
    arithmetic = _arithmetic(bundle.certificate, precision)
    return Choice(engine, precision, arithmetic, "as asked for", certified=doubt is None)


def choose(bundle: Bundle, wanted: Wanted, excluded: Mapping[str, str] = NOTHING) -> tuple[Choice, ...]:
    """What may serve the bundle and deserves to be measured against one another, best guess first; usually one.

    The first rung of the ladder that the operator allows, this machine runs and the certificate covers; where that is int8,
    also the next such rung, and where it has another form, also that. Where the certificate covers none, float32 that was never
    measured is served, flagged: it is what was exported. What was measured and fell short, or another precision, is served only under `allow_uncertified`.
    excluded: why not, for engines and precisions ("tensorrt/f16") that have been tried. Raises NoEngine.
    """
    certificate = bundle.certificate
    certified: list[Choice] = []
    doubtful: list[Choice] = []
    passed_over: dict[str, str] = {}
    for engine, precision in LADDER:
        if not means(wanted.engine, engine) or wanted.precision not in ("auto", precision):
            continue
        if len(certified) == 2 or (certified and not _rivals(certified[0], engine, precision)):
            break
        if wanted.precision == "auto" and _not_asked_for(bundle, precision):
            continue
        rung = f"{engine}/{precision}"
        objection = excluded.get(rung) or _missing(bundle, precision) or _why_not(engine, precision, wanted)
        if objection is None and wanted.precision == "auto":
            objection = _unsafe(bundle, precision)
        doubt = None if engine in GATED else _doubt(certificate, engine, precision)
        arithmetic = _arithmetic(certificate, precision)
        if objection is None and doubt is None:
            certified.append(Choice(engine, precision, arithmetic, _reason(wanted, passed_over, None), certified=True))
            continue
        served_flagged = precision == "f32" and certificate.entry(engine, precision) is None
        if objection is None and (served_flagged or wanted.allow_uncertified):
            doubtful.append(Choice(engine, precision, arithmetic, _reason(wanted, passed_over, doubt), certified=False))
        passed_over[rung] = str(objection or doubt)
    if certified or doubtful:
        return tuple(certified or doubtful[:1])
    if not passed_over:
        rungs = ", ".join(f"{engine}/{precision}" for engine, precision in LADDER)
        raise NoEngine(f"no engine is called {wanted.engine}/{wanted.precision}; accepted: {rungs}")
    raise NoEngine("; ".join(_grouped(passed_over)))


def _rivals(best: Choice, engine: str, precision: Precision) -> bool:
    """Whether only measuring can tell if a lower rung is faster."""
    return best.precision == "int8" or (_FORM_OF.get(engine), precision) == (best.engine, best.precision)


def _why_not(engine: str, precision: Precision, wanted: Wanted) -> str | None:
    objection = WHY_NOT[engine](precision)
    if objection and engine in GATED and wanted.engine == "auto":
        return "not on this machine, see `vitscope engines`"  # where there is no GPU, nobody misses it
    return objection


def _unsafe(bundle: Bundle, precision: Precision) -> str | None:
    """Why a precision is not tried unless it is asked for."""
    manifest = bundle.manifest
    if precision == "f16" and manifest.family.startswith("dinov2") and manifest.width >= _WIDE:
        return f"activations of a DINOv2 as wide as {manifest.width} can overflow in f16 on some images"
    return None


def _not_asked_for(bundle: Bundle, precision: Precision) -> bool:
    """8 bits are for those who exported them; fp8, which costs more accuracy, for those who also ask for it here."""
    return precision == "fp8" or (precision == "int8" and INT8 not in bundle.manifest.variants)


def _grouped(passed_over: Mapping[str, str]) -> Iterator[str]:
    """One part for each reason, with the rungs that it holds for."""
    by_reason: dict[str, list[str]] = {}
    for rung, reason in passed_over.items():
        by_reason.setdefault(reason, []).append(rung)
    yield from (f"{', '.join(rungs)}: {reason}" for reason, rungs in by_reason.items())


def _missing(bundle: Bundle, precision: Precision) -> str | None:
    variant = _VARIANTS.get(precision)
    if variant is not None and variant not in bundle.manifest.variants:
        return f"the bundle has no {precision} graphs; `vitscope export --{precision}` makes them"
    return None


def _arithmetic(certificate: Certificate, precision: Precision) -> Precision:
    """The export measured int8 under the same rule."""
    if precision != "int8":
        return precision
    bf16 = _doubt(certificate, openvino.NAME, "bf16") is None and openvino.why_not("bf16") is None
    return "bf16" if bf16 else "f32"


def _doubt(certificate: Certificate, engine: str, precision: Precision) -> str | None:
    entry = certificate.entry(engine, precision)
    if entry is None:
        detail = certificate.not_measured.get(f"{engine}/{precision}")
        return "the bundle's certificate does not cover it" + (f" ({detail})" if detail else "")
    return None if entry.passed else "it failed certification: " + "; ".join(entry.shortfalls)


def _reason(wanted: Wanted, passed_over: Mapping[str, str], doubt: str | None) -> str:
    asked = wanted.engine != "auto" or wanted.precision != "auto"
    parts = ["as asked for" if asked else "from the ladder, best first"]
    parts += [f"passed over {part}" for part in _grouped(passed_over)]
    if doubt:
        parts.append(f"NOT CERTIFIED: {doubt}")
    return "; ".join(parts)
