"""The display while the load runs."""

import threading
import time
import urllib.error
import urllib.request
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from vitscope.client.proxy import goes_direct
from vitscope.loadtest.options import Options

_DEFAULT_PORT = 8501
_SCRAPE_SECONDS = 1.0
_GAUGES = ("vitscope_queue_depth", "vitscope_in_flight", "vitscope_backlog_seconds")


class Progress:
    """A few lines on standard error, updated in place. If that is no terminal: one line for each phase."""

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

    def update(self, state: dict[str, Any]) -> None:
        """Show the state of the run: a line of JSON from Locust, see Judge.live."""
        phase = (state["phase"], state["load"])
        if self._console.is_terminal:
            self._live.update(self._table(state), refresh=True)
        elif state["phase"] and phase != self._phase:
            self._console.print(f"{self._title(state)}, {time.monotonic() - self._began:.0f} s", soft_wrap=True)
        self._phase = phase

    def _title(self, state: dict[str, Any]) -> str:
        if not state["phase"]:
            return f"{self._options.scenario}: waiting for the last answers"
        return f"{self._options.scenario}: {state['phase']}, {state['load']} {self._options.unit}"

    def _table(self, state: dict[str, Any]) -> Table:
        shown = Table.grid(padding=(0, 2, 0, 0))
        shown.add_row(Text(self._title(state), "bold"), f"{time.monotonic() - self._began:.0f} s")
        shown.add_row(
            f"sent {_number(state['rate'])}/s, answered in time {_number(state['goodput'])}/s, "
            f"p50 {_number(state['p50_ms'])} ms, p99 {_number(state['p99_ms'])} ms"
        )
        shown.add_row(
            f"errors {_share(state['error_ratio'])}, refused {_share(state['refusal_ratio'])}, "
            f"in flight {state['in_flight']}"
        )
        shown.add_row(Text(self._gauges.text, "dim"))
        return shown


class _Gauges(threading.Thread):
    """Polls the gauges of the server, once a second."""

    def __init__(self, metrics: str) -> None:
        super().__init__(daemon=True)
        self.url = (
            metrics if "://" in metrics else f"http://{metrics.rpartition(':')[0] or metrics}:{_DEFAULT_PORT}/metrics"
        )
        direct = goes_direct(f"dns:///{urlsplit(self.url).netloc}")
        self._opener = urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if direct else []))
        self.text = ""
        self.stopped = threading.Event()

    def run(self) -> None:
        while not self.stopped.wait(_SCRAPE_SECONDS):
            try:
                with self._opener.open(self.url, timeout=_SCRAPE_SECONDS) as response:
                    found = _gauges(response.read().decode())
            except (OSError, ValueError) as error:
                reason = getattr(error, "reason", error)
                self.text = f"server: {self.url} cannot be read ({reason}); --metrics names another"
                continue
            depth, in_flight, backlog = (found.get(name, 0.0) for name in _GAUGES)
            self.text = f"server: queue {depth:.0f}, in flight {in_flight:.0f}, backlog {backlog * 1000:.0f} ms"


def _gauges(page: str) -> dict[str, float]:
    """Return the samples without labels of a page in Prometheus's text format."""
    lines = (line.split() for line in page.splitlines() if not line.startswith("#"))
    return {line[0]: float(line[1]) for line in lines if len(line) == 2 and line[0] in _GAUGES}


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.1f}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
