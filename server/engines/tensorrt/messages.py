"""TensorRT's log messages, collected to explain failures, and the progress of a build."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import Any, Self

import structlog

from vitscope.server.engines.tensorrt.layers import layers_in

log = structlog.get_logger()

# TensorRT repeats messages; more different ones than this explain nothing.
_KEPT = 100


class Messages:
    """Collects TensorRT's messages in the whole process while the context is entered.

    Every call into TensorRT that takes a logger takes `logger`. TensorRT uses the first logger that it was ever given
    and
    ignores others, so there is one per process, and it passes messages on to all collectors: those of a build in the
    background may include messages that the serving engine caused.

    layers: names of the engine layers that the builder printed.
    """

    def __init__(self, trt: Any) -> None:
        self.logger = _logger(trt)
        self.layers: list[str] = []
        self._errors: dict[str, None] = {}  # ordered sets
        self._warnings: dict[str, None] = {}

    def __enter__(self) -> Self:
        self.logger.listeners.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        self.logger.listeners.remove(self)

    def error(self, text: str) -> None:
        """Keep an error, unless it is kept already."""
        _keep(self._errors, text)

    def warning(self, text: str) -> None:
        """Keep a warning, unless it is kept already."""
        _keep(self._warnings, text)

    def explain(self, headline: str) -> str:
        """Return a text for a person: the headline, then errors and warnings, each on a line of its own."""
        reasons: list[str] = []
        for text in (*self._errors, *(f"(warning) {text}" for text in self._warnings)):
            # Each function that an error passes through reports it again.
            if not any(text in other or other in text for other in reasons):
                reasons.append(text)
        return "\n  - ".join([headline, *(reasons or ["TensorRT gave no reason"])])


def _keep(texts: dict[str, None], text: str) -> None:
    if len(texts) < _KEPT:
        texts.setdefault(" ".join(text.split()))


@cache
def _logger(trt: Any) -> Any:
    """Return the process's logger for one TensorRT module. Messages arrive on any thread."""
    severity = trt.ILogger.Severity
    errors = (severity.INTERNAL_ERROR, severity.ERROR)

    class Logger(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.listeners: list[Messages] = []

        def log(self, level: Any, text: str) -> None:
            listeners = tuple(self.listeners)
            if level == severity.VERBOSE:
                for listener in listeners:
                    listener.layers += layers_in(text)
                return
            for listener in listeners:
                if level in errors:
                    listener.error(text)
                elif level == severity.WARNING:
                    listener.warning(text)
            # Collectors report their messages themselves; without one, they must not get lost.
            write = log.debug if listeners or level == severity.INFO else log.warning
            write("tensorrt says", text=text.strip(), severity=level.name.lower())

    return Logger()


@dataclass
class _Phase:
    parent: str | None
    steps: int
    completed: int = 0


class Progress:
    """The progress of a build, passed on to `report`.

    `report` gets the nested phases in one line ("Building 2/5 > Timing 31/40") and the share of the outermost one
    that is done (0..1, never falling). It is called on TensorRT's threads and must not raise. monitor: the
    IProgressMonitor that TensorRT calls.
    """

    def __init__(self, trt: Any, report: Callable[[str, float], None]) -> None:
        self.monitor = _monitor(trt)(self)
        self.cancelled = False
        self._report = report
        self._phases: dict[str, _Phase] = {}
        self._done = 0.0
        self._lock = Lock()

    def cancel(self) -> None:
        """End the build at its next step, without a plan."""
        self.cancelled = True

    def start(self, name: str, parent: str | None, steps: int) -> None:
        with self._lock:
            if parent is None:
                self._done = 0.0
            self._phases[name] = _Phase(parent, steps)
            line, done = self._line(name)
        self._report(line, done)

    def step(self, name: str, completed: int) -> bool:
        """Report a step and return whether to go on."""
        with self._lock:
            self._phases[name].completed = completed
            line, done = self._line(name)
        self._report(line, done)
        return not self.cancelled

    def finish(self, name: str) -> None:
        with self._lock:
            phase = self._phases.pop(name)
            if phase.parent is not None:
                return
        self._report(name, 1.0)

    def _line(self, name: str) -> tuple[str, float]:
        parts: list[str] = []
        share, current = 0.0, self._phases.get(name)
        while current is not None:
            share = min(1.0, (current.completed + share) / max(current.steps, 1))
            parts.append(f"{name} {current.completed}/{current.steps}")
            name = current.parent or ""
            current = self._phases.get(name)
        # Phases run concurrently, and the one that moved may be behind another.
        self._done = max(self._done, share)
        return " > ".join(reversed(parts)), self._done


@cache
def _monitor(trt: Any) -> Callable[[Progress], Any]:
    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self, progress: Progress) -> None:
            trt.IProgressMonitor.__init__(self)
            self._progress = progress

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self._progress.start(phase_name, parent_phase, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            return self._progress.step(phase_name, step + 1)

        def phase_finish(self, phase_name: str) -> None:
            self._progress.finish(phase_name)

    return Monitor
