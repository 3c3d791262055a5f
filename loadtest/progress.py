"""What a person sees while the load runs."""

import threading
import time
import urllib.error
import urllib.request
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from vitscope.loadtest.options import Options

_DEFAULT_PORT = 8501
_SCRAPE_SECONDS = 1.0
_GAUGES = ("vitscope_queue_depth", "vitscope_in_flight", "vitscope_backlog_seconds")


class Progress:
    """A few lines on standard error that change in place; where that is no terminal, one line for each phase."""

    def __init__(self, options: Options, metrics: str) -> None:
        self._options = options
        self._console = Console(stderr=True, highlight=False)
        self._live = Live(Text("starting Locust"), console=self._console, transient=True, auto_refresh=False)
        self._gauges = _Gauges(metrics)
        self._began = time.monotonic()
        self._phase = ("", 0)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
            self._gauges.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._gauges.stopped.set()
        self._live.stop()

    def update(self, told: dict[str, Any]) -> None:
        """Show a line that Locust told."""
        phase = (told["phase"], told["load"])
        if self._console.is_terminal:
            self._live.update(self._table(told), refresh=True)
        elif told["phase"] and phase != self._phase:
            self._console.print(f"{self._title(told)}, {time.monotonic() - self._began:.0f} s", soft_wrap=True)
        self._phase = phase

    def _title(self, told: dict[str, Any]) -> str:
        if not told["phase"]:
            return f"{self._options.scenario}: waiting for the last answers"
        return f"{self._options.scenario}: {told['phase']}, {told['load']} {self._options.unit}"

    def _table(self, told: dict[str, Any]) -> Table:
        shown = Table.grid(padding=(0, 2, 0, 0))
        shown.add_row(Text(self._title(told), "bold"), f"{time.monotonic() - self._began:.0f} s")
        shown.add_row(
            f"sent {_number(told['rate'])}/s, answered in time {_number(told['goodput'])}/s, "
            f"p50 {_number(told['p50_ms'])} ms, p99 {_number(told['p99_ms'])} ms"
        )
        shown.add_row(
            f"errors {_share(told['error_ratio'])}, refused {_share(told['refusal_ratio'])}, in flight {told['in_flight']}"
        )
        shown.add_row(Text(self._gauges.text, "dim"))
        return shown


class _Gauges(threading.Thread):
    """Reads the server's own gauges again and again."""

    def __init__(self, metrics: str) -> None:
        super().__init__(daemon=True)
        self.url = (
            metrics if "://" in metrics else f"http://{metrics.rpartition(':')[0] or metrics}:{_DEFAULT_PORT}/metrics"
        )
        self.text = ""
        self.stopped = threading.Event()

    def run(self) -> None:
        while not self.stopped.wait(_SCRAPE_SECONDS):
            try:
                with urllib.request.urlopen(self.url, timeout=_SCRAPE_SECONDS) as response:
                    found = _gauges(response.read().decode())
            except (OSError, ValueError) as error:
                reason = getattr(error, "reason", error)
                self.text = f"server: {self.url} cannot be read ({reason}); --metrics names another"
                continue
            depth, in_flight, backlog = (found.get(name, 0.0) for name in _GAUGES)
            self.text = f"server: queue {depth:.0f}, in flight {in_flight:.0f}, backlog {backlog * 1000:.0f} ms"


def _gauges(page: str) -> dict[str, float]:
    """The samples without labels of a page in Prometheus's text format."""
    lines = (line.split() for line in page.splitlines() if not line.startswith("#"))
    return {line[0]: float(line[1]) for line in lines if len(line) == 2 and line[0] in _GAUGES}


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.1f}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
