"""What was measured: a flat list of records, kept as JSON, so that one section can be measured again."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Record:
    """One measurement. subject: what was measured ("vitscope", "engine"); load: under what ("32 clients"); figures by name.

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
    """Median, least and greatest of several rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread | None":
        """None for no values."""
        return cls(median(values), min(values), max(values)) if values else None


class Results:
    """All records, and what is to be said of each section: on which machine and with which effort it was measured."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.circumstances: dict[str, dict[str, Any]] = {}

    def add(self, record: Record) -> None:
        self.records.append(record)

    def drop(self, section: str) -> None:
        """Forget a section, which is about to be measured again."""
        self.records = [record for record in self.records if record.section != section]
        self.circumstances.pop(section, None)

    def values(self, section: str, model: str, subject: str, load: str, figure: str) -> dict[int, float]:
        """A figure by round."""
        wanted = (section, model, subject, load)
        return {
            r.round: r.figures[figure]
            for r in self.records
            if (r.section, r.model, r.subject, r.load) == wanted and figure in r.figures
        }

    def spread(self, section: str, model: str, subject: str, load: str, figure: str) -> Spread | None:
        return Spread.of(list(self.values(section, model, subject, load, figure).values()))

    def series(self, section: str, model: str, subject: str, figure: str) -> Iterator[tuple[str, Spread]]:
        """A figure by load, in the order in which loads were first measured."""
        loads = dict.fromkeys(
            r.load for r in self.records if (r.section, r.model, r.subject) == (section, model, subject)
        )
        for load in loads:
            if spread := self.spread(section, model, subject, load, figure):
                yield load, spread

    def models(self, section: str) -> list[str]:
        """Models of a section, in the order in which they were measured."""
        return list(dict.fromkeys(record.model for record in self.records if record.section == section))

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {"circumstances": self.circumstances, "records": [asdict(record) for record in self.records]}
        path.write_text(json.dumps(content, indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> "Results":
        """What `save` wrote; nothing where there is no file."""
        results = cls()
        if path.exists():
            content = json.loads(path.read_text())
            results.circumstances = content["circumstances"]
            results.records = [Record(**record) for record in content["records"]]
        return results


def ratios(above: Mapping[int, float], below: Mapping[int, float]) -> list[float]:
    """above / below of the rounds that have both: what was measured minutes apart is not compared."""
    return [above[k] / below[k] for k in sorted(above.keys() & below.keys()) if below[k]]
