"""A real server under a mixed load, and a real Prometheus that scrapes it."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import grpc
import yaml

from docs.tools.dashboard.prometheus import Prometheus
from tests.deploy.monitoring import PROMETHEUS, running
from tests.e2e.harness import RunningServer, numbered
from vitscope.client.request import classify_request

# Replacements for the times in the rules, so that a test of seconds sees each rule work.
SHORT = {"5m": "4s", "1h": "3s", "3d": "4s", "2m": "1s"}

_numbers = count()


@contextmanager
def watched(server: RunningServer, folder: Path, port: int, times: dict[str, str]) -> Iterator[Prometheus]:
    """Run Prometheus on one server, scraped each second, with the rules that compose mounts but other times."""
    rules = folder / "rules"
    rules.mkdir()
    for file in (PROMETHEUS / "rules").glob("*.yml"):
        (rules / file.name).write_text(retimed(file.read_text(), times))
    config: dict[str, Any] = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    job = {"job_name": "vitscope", "static_configs": [{"targets": [server.http.removeprefix("http://")]}]}
    config |= {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "scrape_configs": [job],
        "alerting": {},
    }
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    flags = [f"--config.file={path}", f"--storage.tsdb.path={folder / 'data'}"]
    with running("prometheus", port, folder, *flags) as api:
        yield Prometheus(api.url)


def retimed(rules: str, times: dict[str, str]) -> str:
    """Replace windows, offsets and intervals in the text of rules."""

    def other(found: re.Match[str]) -> str:
        return found[1] + times.get(found[2], found[2])

    return re.sub(r"(\[|offset |interval: )(\d+[smhd])\b", other, rules)


@contextmanager
def load(server: RunningServer, photo: bytes, models: tuple[str, ...]) -> Iterator[None]:
    """Send requests with and without maps, repeats, mistakes, and more at a time than a small server admits."""
    ended = threading.Event()
    thread = threading.Thread(target=_send, args=(server.stub.Classify.future, photo, models, ended))
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _send(call: Callable[..., grpc.Future], photo: bytes, models: tuple[str, ...], ended: threading.Event) -> None:
    while not ended.wait(0.2):
        for model in models:
            new = [classify_request(numbered(photo, next(_numbers)), model=model) for _ in range(24)]
            same = [classify_request(photo, model=model, attention="last")] * 2
            same += [classify_request(photo, model=model, method="evidence")]
            wrong = [classify_request(b"no image", model=model), classify_request(photo, model="no-such-model")]
            for future in [call(request, timeout=20) for request in (*same, *wrong, *new)]:
                future.code()
