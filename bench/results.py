"""Results: a flat list of records, stored as JSON, so that one section can be measured again."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

_PERCENTILES = (50.0, 95.0, 99.0, 99.9)


@dataclass(frozen=True)
class Record:
    """One measurement. subject: what was measured ("vitscope", "engine"); load: under which load ("32 clients").

    Units are in the names of the figures: `_ms`, `_mib`; rates are per second.
    """

    section: str
    model: str
    subject: str
    load: str
    round: int
    figures: Mapping[str, float]


@dataclass(frozen=True, order=True)
class Spread:
    """Median, least and greatest value of several rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread | None":
        """Return the spread of values, or None if there are none."""
        return cls(median(values), min(values), max(values)) if values else None


class Results:
    """All records. circumstances: by section, when, on which machine and with which effort it was measured."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.circumstances: dict[str, dict[str, Any]] = {}

    def add(self, record: Record) -> None:
        self.records.append(record)

    def drop(self, section: str) -> None:
        """Remove a section, which is about to be measured again."""
        self.records = [record for record in self.records if record.section != section]
        self.circumstances.pop(section, None)

    def values(self, section: str, model: str, subject: str, load: str, figure: str) -> dict[int, float]:
        """Return a figure by round."""
        wanted = (section, model, subject, load)
        return {
            r.round: r.figures[figure]
            for r in self.records
            if (r.section, r.model, r.subject, r.load) == wanted and figure in r.figures
        }

    def spread(self, section: str, model: str, subject: str, load: str, figure: str) -> Spread | None:
        return Spread.of(list(self.values(section, model, subject, load, figure).values()))

    def series(self, section: str, model: str, subject: str, figure: str) -> Iterator[tuple[str, Spread]]:
        """Yield a figure by load, in the order in which loads were first measured."""
        loads = dict.fromkeys(
            r.load for r in self.records if (r.section, r.model, r.subject) == (section, model, subject)
        )
        for load in loads:
            if spread := self.spread(section, model, subject, load, figure):
                yield load, spread

    def models(self, section: str) -> list[str]:
        """Return the models of a section, in the order in which they were measured."""
        return list(dict.fromkeys(record.model for record in self.records if record.section == section))

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {"circumstances": self.circumstances, "records": [asdict(record) for record in self.records]}
        path.write_text(json.dumps(content, indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> "Results":
        """Read the file that `save` wrote. A missing file has no results."""
        results = cls()
        if path.exists():
            content = json.loads(path.read_text())
            results.circumstances = content["circumstances"]
            results.records = [Record(**record) for record in content["records"]]
        return results


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """Return milliseconds by name ("p50" … "p99.9"), interpolated; empty for no values.

    They are exact, unlike those of vitscope.loadtest.tally: those are of histograms, which processes can add up.
    """
    if not len(seconds):
        return {}
    values = np.percentile(np.asarray(seconds, np.float64), _PERCENTILES) * 1000
    return {f"p{p:g}": float(v) for p, v in zip(_PERCENTILES, values, strict=True)}


def ratios(above: Mapping[int, float], below: Mapping[int, float]) -> list[float]:
    """Return above / below of the rounds that have both: figures of different rounds are not compared."""
    return [above[k] / below[k] for k in sorted(above.keys() & below.keys()) if below[k]]
