"""Real Prometheus and Alertmanager with the files that compose mounts, and a receiver of notifications."""

import json
import queue
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import yaml

from tests.e2e.harness import ROOT

PROMETHEUS = ROOT / "deploy/prometheus"
ALERTMANAGER = ROOT / "deploy/alertmanager/alertmanager.yml"
RUNBOOKS = ROOT / "docs/operate.md"
_BINARIES = Path(sys.executable).parent
_T = TypeVar("_T")


def binary(name: str) -> Path:
    """Return the path of a program that `make prometheus` unpacks beside Python."""
    path = _BINARIES / name
    assert path.exists(), f"{path} is missing; `make prometheus` fetches it"
    return path


def tool(name: str, *arguments: str | Path) -> str:
    """Run promtool or amtool, which must succeed. Returns what it prints."""
    done = subprocess.run([binary(name), *arguments], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def eventually(found: Callable[[], _T], why: str, seconds: float = 60) -> _T:
    """Call `found` until its result is true, and return that. Fails after `seconds`, with `why`."""
    until = time.monotonic() + seconds
    while not (result := found()):
        assert time.monotonic() < until, why
        time.sleep(0.1)
    return result


class Api:
    """The HTTP API of a running server."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str, **parameters: str) -> Any:
        return self._json(f"{self.url}{path}?{urllib.parse.urlencode(parameters)}")

    def post(self, path: str, body: object) -> None:
        headers = {"Content-Type": "application/json"}
        self._json(urllib.request.Request(self.url + path, json.dumps(body).encode(), headers))

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the samples of an instant query of Prometheus."""
        samples: list[dict[str, Any]] = self.get("/api/v1/query", query=expression)["data"]["result"]
        return samples

    @staticmethod
    def _json(request: str | urllib.request.Request) -> Any:
        with urllib.request.urlopen(request, timeout=20) as response:
            return json.loads(response.read() or "null")


@contextmanager
def running(program: str, port: int, folder: Path, *flags: str) -> Iterator[Api]:
    """Run a program of the Prometheus project on 127.0.0.1, and wait until it is ready. Its log is in `folder`."""
    url = f"http://127.0.0.1:{port}"
    command = [str(binary(program)), f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn", *flags]
    log = folder / f"{program}.log"

    def ready() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{url}/-/ready", timeout=5):
                return True
        except OSError:
            return False

    with log.open("w") as file, subprocess.Popen(command, cwd=folder, stdout=file, stderr=file) as process:
        try:
            eventually(ready, f"{program} did not become ready")
            yield Api(url)
        finally:
            process.kill()


class Receiver:
    """The notifications that were posted to a receiver, in order; see `receiver`."""

    def __init__(self, url: str, posts: "queue.Queue[dict[str, Any]]") -> None:
        self.url, self._posts = url, posts

    def alert(self, name: str, seconds: float = 60) -> dict[str, Any]:
        """Return the next firing alert of this name, as Alertmanager sends it."""
        until = time.monotonic() + seconds
        while True:
            try:
                post = self._posts.get(timeout=max(0.01, until - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no notification of {name}") from None
            for alert in post["alerts"]:
                if (alert["labels"]["alertname"], alert["status"]) == (name, "firing"):
                    return {**alert, "receiver": post["receiver"]}


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Run a server for Alertmanager's webhooks."""
    posts: queue.Queue[dict[str, Any]] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posts.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield Receiver(f"http://127.0.0.1:{server.server_port}/", posts)
        finally:
            server.shutdown()
            thread.join()


def quick_prometheus(addresses: dict[str, str]) -> dict[str, Any]:
    """Return Prometheus's configuration with short intervals, and these addresses of targets and of Alertmanager."""
    config: dict[str, Any] = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    config["global"] |= {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["alerting"]["alertmanagers"][0]["static_configs"] = [{"targets": [addresses["alertmanager"]]}]
    for job in config["scrape_configs"]:
        job.pop("dns_sd_configs", None)
        job["static_configs"] = [{"targets": [addresses[job["job_name"]]] if job["job_name"] in addresses else []}]
    return config


def quick_alertmanager(url: str) -> dict[str, Any]:
    """Return Alertmanager's configuration with short waits, and one webhook for all receivers."""
    config: dict[str, Any] = yaml.safe_load(ALERTMANAGER.read_text())
    for route in (config["route"], *config["route"]["routes"]):
        route["group_wait"] = "100ms"
    for one in config["receivers"]:
        one["webhook_configs"] = [{"url": url}]
    return config


def differences(one: object, other: object, path: str = "") -> set[str]:
    """Return the paths at which two documents differ: `scrape_configs.0.job_name`."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        keys = one.keys() | other.keys()
        return set().union(*(differences(one.get(key), other.get(key), f"{path}.{key}".lstrip(".")) for key in keys))
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return set().union(*(differences(*pair, f"{path}.{index}") for index, pair in pairs))
    return set() if one == other else {path}
