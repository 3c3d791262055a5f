"""Which engine serves a bundle: the best that works on this machine and that the bundle's certificate covers."""

from dataclasses import dataclass
from pathlib import Path

from bundle import Certificate
from server.engines import onnxruntime, openvino
from server.engines.contract import Engine, Precision


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
    """An engine and precision, and in one sentence why. `certified`: the bundle's certificate covers it and passed."""

    engine: str
    precision: Precision
    reason: str
    certified: bool

    def open(self, graph: Path, threads: int, max_batch: int) -> Engine:
        """Compile one graph of the bundle."""
        if self.engine == openvino.NAME:
            return openvino.OpenVinoEngine(graph, self.precision, threads, max_batch)
        return onnxruntime.OnnxRuntimeEngine(graph, threads, max_batch)


# Best first. One step up in this list is a step up in speed on processors that have bf16.
LADDER: tuple[tuple[str, Precision], ...] = (
    (openvino.NAME, "bf16"),
    (openvino.NAME, "f32"),
    (onnxruntime.NAME, "f32"),
)
_WHY_NOT = {openvino.NAME: openvino.why_not, onnxruntime.NAME: onnxruntime.why_not}


def choose(certificate: Certificate, wanted: Wanted) -> Choice:
    """The first rung of the ladder that the operator allows, this machine runs and the certificate covers.

    Where the certificate covers none, float32 that was never measured is served, flagged: it is what was exported. What
    was measured and fell short, or another precision, is served only under `allow_uncertified`. Raises NoEngine.
    """
    passed_over: list[str] = []
    doubtful: list[Choice] = []
    for engine, precision in LADDER:
        if wanted.engine not in ("auto", engine) or wanted.precision not in ("auto", precision):
            continue
        objection = _WHY_NOT[engine](precision)
        doubt = _doubt(certificate, engine, precision)
        if objection is None and doubt is None:
            return Choice(engine, precision, _reason(wanted, passed_over, None), certified=True)
        served_flagged = precision == "f32" and certificate.entry(engine, precision) is None
        if objection is None and (served_flagged or wanted.allow_uncertified):
            doubtful.append(Choice(engine, precision, _reason(wanted, passed_over, doubt), certified=False))
        passed_over.append(f"{engine}/{precision}: {objection or doubt}")
    if doubtful:
        return doubtful[0]
    if not passed_over:
        rungs = ", ".join(f"{engine}/{precision}" for engine, precision in LADDER)
        raise NoEngine(f"no engine is called {wanted.engine}/{wanted.precision}; accepted: {rungs}")
    raise NoEngine("; ".join(passed_over))


def _doubt(certificate: Certificate, engine: str, precision: Precision) -> str | None:
    entry = certificate.entry(engine, precision)
    if entry is None:
        detail = certificate.not_measured.get(f"{engine}/{precision}")
        return "the bundle's certificate does not cover it" + (f" ({detail})" if detail else "")
    return None if entry.passed else "it failed certification: " + "; ".join(entry.shortfalls)


def _reason(wanted: Wanted, passed_over: list[str], doubt: str | None) -> str:
    asked = wanted.engine != "auto" or wanted.precision != "auto"
    parts = ["as asked for" if asked else "the fastest rung of the ladder that applies here"]
    parts += [f"passed over {reason}" for reason in passed_over]
    if doubt:
        parts.append(f"NOT CERTIFIED: {doubt}")
    return "; ".join(parts)
