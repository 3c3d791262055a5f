"""A test in a Locust process: the part that sends, and on the master (or alone) the part that directs and judges."""

import json
import os
import time
from collections.abc import Callable
from typing import Any

import gevent

from vitscope.loadtest.conductor import Conductor
from vitscope.loadtest.connections import Connections
from vitscope.loadtest.judge import Run, figures
from vitscope.loadtest.mix import Mix
from vitscope.loadtest.objectives import Bars, load_objectives
from vitscope.loadtest.options import Options
from vitscope.loadtest.scenarios import course
from vitscope.loadtest.tally import SLOT, Recorder, Tally, now

REPORT_INTERVAL = 1.0  # seconds between a worker's reports
_LIVE_INTERVAL, _LIVE_WINDOW = 0.5, 3.0  # seconds


class Sender:
    """The part of every process that sends."""

    def __init__(self, options: Options, server: str) -> None:
        self.options = options
        # In a thread: it takes about a second, and a worker that sends no heartbeat for three seconds counts as lost.
        self.mix: Mix = gevent.get_hub().threadpool.apply(Mix, (options,))
        self.connections = Connections(server, options.connections, options.tls_roots, options.deadline)
        self.recorder = Recorder()
        self._began, self._cpu = time.perf_counter(), time.process_time()

    def report(self) -> dict[str, Any]:
        """Return the counts since the last report, and the processor time of sending so far, as plain values."""
        slots = {slot: tally.dump() for slot, tally in self.recorder.take().items()}
        cpu, seconds = time.process_time() - self._cpu, time.perf_counter() - self._began
        cost = {"cores": round(cpu / seconds, 3), "cpu_ms": round(cpu * 1000 / max(self.recorder.requests, 1), 3)}
        return {"slots": slots, "in_flight": self.recorder.in_flight, "cost": cost}


class Judge:
    """The part of one process: it directs the senders, adds up their counts and judges them. Raises ObjectivesError."""

    def __init__(self, options: Options, distributed: bool) -> None:
        self.options = options
        bars: Bars = load_objectives(options.objectives, options.scenario)
        self.run = Run(options.scenario, options.unit, bars)
        phases = course(options.scenario, options.load, options.duration, options.step)
        self.conductor = Conductor(phases, self.run, options.deadline + 0.5 + 2 * REPORT_INTERVAL * distributed)
        self._reports: dict[str, dict[str, Any]] = {}
        self._recent: dict[int, Tally] = {}

    def count(self, source: str, report: dict[str, Any]) -> None:
        """Add the report of a sender."""
        self._reports[source] = {"in_flight": report["in_flight"], "cost": report["cost"]}
        oldest = int((now() - _LIVE_WINDOW) / SLOT)
        self._recent = {slot: tally for slot, tally in self._recent.items() if slot >= oldest}
        for slot, values in report["slots"].items():
            tally = Tally.load(values)
            self.run.count(slot, tally)
            self._recent.setdefault(slot, Tally()).merge(tally)

    def live(self) -> dict[str, Any]:
        """Return the current phase and the figures of the last seconds."""
        phase, recent = self.conductor.phase, Tally()
        for tally in self._recent.values():
            recent.merge(tally)
        return {
            "phase": phase.name if phase else "",
            "load": phase.load if phase else 0,
            "in_flight": sum(report["in_flight"] for report in self._reports.values()),
            **figures(recent, _LIVE_WINDOW),
        }

    def summary(self) -> dict[str, Any]:
        """Return the summary of the run with the cost of each sender: busy `cores`, and `cpu_ms` per request."""
        return self.run.summary() | {"senders": [report["cost"] for report in self._reports.values()]}


def report_live(judge: Callable[[], Judge], descriptor: int) -> None:
    """Write a line of JSON every half second until the reader closes the pipe. Run it in a greenlet."""
    while True:
        try:
            os.write(descriptor, json.dumps(judge().live()).encode() + b"\n")
        except OSError:
            return
        gevent.sleep(_LIVE_INTERVAL)
