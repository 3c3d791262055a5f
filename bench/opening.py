"""What the page opens with: what somebody gets who serves a model on the measured machine."""

from collections.abc import Iterator
from typing import Any

from bench.machine import processor_class
from bench.models import TITLES
from bench.results import Results, Spread, ratios
from bench.sections.served import COMPARED, clients_title
from vitscope.tables import markdown_table

_MANY, _ONE = clients_title(COMPARED), clients_title(1)


def opening(results: Results, machine: dict[str, Any]) -> str:
    """Return sentences and a table, of what was measured."""
    rows = [_row(results, model) for model in results.models("served")]
    about = (
        f"On {machine['processor']}, {machine.get('cores', '?').partition(' ')[0]} cores ({processor_class(machine)}):"
    )
    head = ("model", "one client, p50", f"{_MANY}, images/s", "p99", "÷ plain server", "÷ informed server")
    parts = [about, markdown_table(head, rows) if rows else "", "\n".join(f"- {line}" for line in _lines(results))]
    return "\n\n".join(part for part in parts if part)


def _row(results: Results, model: str) -> tuple[str, ...]:
    ours = results.values("served", model, "vitscope", _MANY, "rate")
    return (
        TITLES[model],
        _shown(results.spread("served", model, "vitscope", _ONE, "p50_ms"), "{:,.1f} ms"),
        _shown(Spread.of(list(ours.values())), "{:,.1f}"),
        _shown(results.spread("served", model, "vitscope", _MANY, "p99_ms"), "{:,.0f} ms"),
        *(
            _shown(Spread.of(ratios(ours, results.values("served", model, subject, _MANY, "rate"))), "{:.2f}")
            for subject in ("plain", "informed")
        ),
    )


def _lines(results: Results) -> Iterator[str]:
    yield (
        "The two servers that it is divided by are written by hand (`bench/baseline.py`): `plain` as most would, "
        "`informed` with the engine, graph and decoding of this project. So the first says what an export and an "
        "engine chosen with care bring, and the second what queue, fairness, deadlines and maps cost beside the "
        "engine: nothing where it is 1."
    )
    for model in results.models("maps"):
        none = results.values("maps", model, "vitscope", "no maps", "rate")
        with_map = results.values("maps", model, "vitscope", "last layer", "rate")
        if loss := Spread.of([1 - ratio for ratio in ratios(with_map, none)]):
            taken = f"{loss.median:.1%} of the rate of {TITLES[model]}{_range(loss)}"
            yield f"A map of the last layer with every answer takes {taken}."
    goodput, wait = (results.spread("overload", "vit-ti", "vitscope", "3 × capacity", f) for f in _OVERLOAD)
    if goodput and wait:
        yield (
            f"At three times what it can do, it goes on answering {goodput.median:.0%} of its capacity, and refuses "
            f"the rest within {wait.median:.0f} ms (p99)."
        )
    if ready := results.spread("startup", "vit-b", "vitscope", "engine cached", "ready_seconds"):
        yield f"{TITLES['vit-b']} is ready {ready.median:.1f} s after the start, with its compiled engine kept."


_OVERLOAD = ("goodput", "refused_p99_ms")


def _range(spread: Spread) -> str:
    return (
        f" ({spread.low:.1%} to {spread.high:.1%}: the noise of this machine)" if spread.low < 0 < spread.high else ""
    )


def _shown(spread: Spread | None, form: str) -> str:
    return form.format(spread.median) if spread else "–"
