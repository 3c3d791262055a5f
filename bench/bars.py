"""The performance bars of this project, and whether the results meet them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.machine import has_amx
from bench.results import Results, Spread, ratios
from bench.sections.fairness import BESIDE_STREAM, BESIDE_UNARY
from bench.sections.overload import FACTORS, PHOTOS, title
from bench.sections.served import COMPARED, clients_title

_CLIENTS = clients_title(COMPARED)


@dataclass(frozen=True)
class Bar:
    """A bound on a figure. rounds: returns the figure of each round; their median has to keep to `bound`.

    amx: the bound was set for processors with AMX, whose engines are several times faster. Other machines are not
    judged by it.
    """

    what: str
    model: str
    bound: float
    at_least: bool
    unit: str
    rounds: Callable[[Results], Sequence[float]]
    amx: bool = False

    @property
    def accepted(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {shown(self.bound, self.unit)}"

    def judge(self, results: Results) -> "Verdict":
        figure = Spread.of(self.rounds(results))
        if figure is None or (self.amx and not _on_amx(results)):
            return Verdict(self, figure, None)
        met = figure.median >= self.bound if self.at_least else figure.median <= self.bound
        return Verdict(self, figure, met)


@dataclass(frozen=True)
class Verdict:
    """The result of a bar. figure is None where nothing was measured, met too where the bar is not for this machine."""

    bar: Bar
    figure: Spread | None
    met: bool | None

    @property
    def word(self) -> str:
        if self.figure is None:
            return "not measured"
        return {None: "for AMX", True: "met", False: "**missed**"}[self.met]


def shown(value: float, unit: str) -> str:
    """Format a number with its unit: "" for ratios, "%" for shares, else "ms" or "s"."""
    if unit == "%":
        return f"{value * 100:.1f} %"
    return f"{value:.2f}" + (f" {unit}" if unit else "")


def bars() -> list[Bar]:
    """Return all bars, in the order of the report."""
    ti, b = "vit-ti", "vit-b"
    return [
        _served("the combined limit", ti, 0.90, "limit", "combined"),
        _served("the combined limit", b, 0.95, "limit", "combined"),
        _served("the plain server", ti, 3.5, "plain", _CLIENTS, amx=True),
        _served("the plain server", b, 4.5, "plain", _CLIENTS, amx=True),
        _served("the informed plain server", ti, 1.4, "informed", _CLIENTS, amx=True),
        _served("the informed plain server", b, 1.0, "informed", _CLIENTS, amx=True),
        *(_idle(model, figure, by) for model in (ti, b) for figure, by in _IDLE.items()),
        _maps(ti, "last layer", 0.02),
        _maps(b, "last layer", 0.02),
        _maps(ti, "all layers", 0.12),
        _maps(b, "all layers", 0.04),
        _maps(ti, "evidence, 1 class", 0.05),
        _maps(ti, "evidence, 5 classes", 0.10),
        _maps(b, "evidence, 1 class", 0.05),
        _maps(b, "evidence, 5 classes", 0.10),
        _poisson_p99(ti),
        _poisson_p99(b),
        _poisson_refused(ti),
        _poisson_refused(b),
        *(bar for photos in PHOTOS for factor in FACTORS for bar in _overload(title(factor, photos), factor)),
        Bar(
            "p99 of a unary client beside a stream ÷ beside a second unary client",
            ti,
            2.0,
            False,
            "",
            lambda results: ratios(
                results.values("fairness", ti, "vitscope", BESIDE_STREAM, "p99_ms"),
                results.values("fairness", ti, "vitscope", BESIDE_UNARY, "p99_ms"),
            ),
        ),
        Bar(
            "no-op model, requests/s ÷ bare gRPC echo, 32 clients",
            "noop",
            0.6,
            True,
            "",
            lambda results: ratios(
                results.values("overhead", "noop", "vitscope", _CLIENTS, "rate"),
                results.values("overhead", "noop", "echo", _CLIENTS, "rate"),
            ),
        ),
        Bar(
            "ready after start, compiled engine cached",
            b,
            3.0,
            False,
            "s",
            lambda results: list(results.values("startup", b, "vitscope", "engine cached", "ready_seconds").values()),
        ),
    ]


def _on_amx(results: Results) -> bool:
    return any(has_amx(found["machine"]) for found in results.circumstances.values())


_IDLE = {"by_reply_ms": "by the reply's own timing", "by_limits_ms": "by decode and engine measured alone"}


def _served(against: str, model: str, bound: float, subject: str, load: str, amx: bool = False) -> Bar:
    def rounds(results: Results) -> list[float]:
        ours = results.values("served", model, "vitscope", _CLIENTS, "rate")
        return ratios(ours, results.values("served", model, subject, load, "rate"))

    return Bar(f"served ÷ {against}, 32 clients", model, bound, True, "", rounds, amx)


def _idle(model: str, figure: str, by: str) -> Bar:
    def rounds(results: Results) -> list[float]:
        return list(results.values("idle", model, "overhead", "1 client", figure).values())

    return Bar(f"one client: reply − (decode + engine at batch 1), median, {by}", model, 1.0, False, "ms", rounds)


def _maps(model: str, kind: str, bound: float) -> Bar:
    def rounds(results: Results) -> list[float]:
        none = results.values("maps", model, "vitscope", "no maps", "rate")
        return [1 - ratio for ratio in ratios(results.values("maps", model, "vitscope", kind, "rate"), none)]

    return Bar(
        f"rate lost to maps of the {kind}" if kind == "last layer" else f"rate lost to maps of {kind}",
        model,
        bound,
        False,
        "%",
        rounds,
    )


def _poisson_p99(model: str) -> Bar:
    def rounds(results: Results) -> list[float]:
        p99 = results.values("poisson", model, "vitscope", "80 %", "p99_ms")
        return ratios(p99, results.values("poisson", model, "engine", "one image", "run_ms"))

    return Bar("Poisson at 80 % of capacity: p99 ÷ T(1 image)", model, 4.0, False, "", rounds, amx=True)


def _poisson_refused(model: str) -> Bar:
    def rounds(results: Results) -> list[float]:
        return list(results.values("poisson", model, "vitscope", "80 %", "refused").values())

    return Bar("Poisson at 80 % of capacity: refusals", model, 0.0, False, "", rounds)


def _overload(load: str, factor: int) -> list[Bar]:
    def bar(what: str, bound: float, at_least: bool, unit: str, figure: str) -> Bar:
        def rounds(results: Results) -> list[float]:
            return list(results.values("overload", "vit-ti", "vitscope", load, figure).values())

        return Bar(f"{load}: {what}", "vit-ti", bound, at_least, unit, rounds)

    return [
        bar("goodput ÷ capacity", 0.9 if factor < 10 else 0.7, True, "", "goodput"),
        bar("calls neither answered nor refused", 0.0, False, "", "other"),
        bar("p99 of refusals", 100.0, False, "ms", "refused_p99_ms"),
        bar("growth of memory", 0.05, False, "%", "growth"),
    ]
