"""Which engine serves a bundle: the best that works on this machine and that the bundle's certificate covers."""

from dataclasses import dataclass
from pathlib import Path

from bundle import INT8, Bundle, Certificate, GraphName
from server.engines import onnxruntime, openvino
from server.engines.contract import Precision


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
    """An engine and precision, and in one sentence why. `certified`: the bundle's certificate covers it and passed.

    arithmetic: "f32" or "bf16", what the engine computes in where the graph says floating point; the precision itself, but
    for int8.
    """

    engine: str
    precision: Precision
    arithmetic: Precision
    reason: str
    certified: bool

    def graph_path(self, bundle: Bundle, graph: GraphName) -> Path:
        """The ONNX file that the engine has to load."""
        return bundle.graph_path(graph, INT8 if self.precision == "int8" else None)


# Best first. Which of int8 and bf16 is faster depends on the processor and the model, so those two are measured.
LADDER: tuple[tuple[str, Precision], ...] = (
    (openvino.NAME, "int8"),
    (openvino.NAME, "bf16"),
    (openvino.NAME, "f32"),
    (onnxruntime.NAME, "f32"),
)
_WHY_NOT = {openvino.NAME: openvino.why_not, onnxruntime.NAME: onnxruntime.why_not}


def choose(bundle: Bundle, wanted: Wanted) -> tuple[Choice, ...]:
    """What may serve the bundle and deserves to be measured against one another, best guess first; usually one.

    The first rung of the ladder that the operator allows, this machine runs and the certificate covers; where that is int8,
    also the next such rung. Where the certificate covers none, float32 that was never measured is served, flagged: it is
    what was exported. What was measured and fell short, or another precision, is served only under `allow_uncertified`.
    Raises NoEngine.
    """
    certificate = bundle.certificate
    certified: list[Choice] = []
    doubtful: list[Choice] = []
    passed_over: list[str] = []
    for engine, precision in LADDER:
        if wanted.engine not in ("auto", engine) or wanted.precision not in ("auto", precision):
            continue
        if precision == "int8" and wanted.precision == "auto" and INT8 not in bundle.manifest.variants:
            continue  # nobody asked for it, neither at the export nor here
        objection = _missing(bundle, precision) or _WHY_NOT[engine](precision)
        doubt = _doubt(certificate, engine, precision)
        arithmetic = _arithmetic(certificate, precision)
        if objection is None and doubt is None:
            certified.append(Choice(engine, precision, arithmetic, _reason(wanted, passed_over, None), certified=True))
            if precision == "int8":
                continue
            break
        served_flagged = precision == "f32" and certificate.entry(engine, precision) is None
        if objection is None and (served_flagged or wanted.allow_uncertified):
            doubtful.append(Choice(engine, precision, arithmetic, _reason(wanted, passed_over, doubt), certified=False))
        passed_over.append(f"{engine}/{precision}: {objection or doubt}")
    if certified or doubtful:
        return tuple(certified or doubtful[:1])
    if not passed_over:
        rungs = ", ".join(f"{engine}/{precision}" for engine, precision in LADDER)
        raise NoEngine(f"no engine is called {wanted.engine}/{wanted.precision}; accepted: {rungs}")
    raise NoEngine("; ".join(passed_over))


def _missing(bundle: Bundle, precision: Precision) -> str | None:
    if precision == "int8" and INT8 not in bundle.manifest.variants:
        return "the bundle has no int8 graphs; `vitscope export --int8` makes them"
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


def _reason(wanted: Wanted, passed_over: list[str], doubt: str | None) -> str:
    asked = wanted.engine != "auto" or wanted.precision != "auto"
    parts = ["as asked for" if asked else "from the ladder, best first"]
    parts += [f"passed over {reason}" for reason in passed_over]
    if doubt:
        parts.append(f"NOT CERTIFIED: {doubt}")
    return "; ".join(parts)
