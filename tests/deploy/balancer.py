"""A real Envoy with the configuration that compose mounts, in front of real servers, all on loopback."""

import copy
import json
import signal
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.compose import services
from tests.deploy.monitoring import eventually
from tests.deploy.names import Names, names
from tests.e2e.harness import ROOT, RunningServer

# Few, so that a test can get refusals. One caller may hold half of them, on each server.
PLACES = 128

CONFIG = ROOT / "deploy/envoy/envoy.yaml"
_MOUNTED = "/etc/envoy/envoy.yaml"
_BINARY = Path(str(files("envoy"))) / "_bin/envoy"


class Replica(RunningServer):
    """One of several servers that differ only in their address: 127.0.0.`number`."""

    def __init__(self, models: Path, number: int, port: int, *arguments: str) -> None:
        self.host = f"127.0.0.{number}"
        super().__init__(models, "--host", self.host, "--grpc-port", str(port), *arguments)

    def freeze(self) -> None:
        """Stop the process. It keeps its connections."""
        self.process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        """End the process as the kernel does when memory runs out."""
        self.process.kill()
        self.process.wait()
        self.channel.close()

    def __exit__(self, *_: object) -> None:
        """Kill the server. A shutdown would take longer; tests of it call terminate()."""
        self.kill()

    def answered(self, code: str = "OK") -> float:
        return self.metric("vitscope_requests_total", code=code)


class Envoy:
    """grpc: the address for clients. metrics: the base URL of the pages for Prometheus."""

    def __init__(self, process: subprocess.Popen[bytes], config: dict[str, Any]) -> None:
        self.process = process
        grpc, metrics = (_listener(config, number)["port_value"] for number in (0, 1))
        self.grpc, self.metrics = f"127.0.0.1:{grpc}", f"http://127.0.0.1:{metrics}"

    def get(self, path: str) -> str:
        with urllib.request.urlopen(self.metrics + path, timeout=5) as response:
            return str(response.read().decode())

    def gauge(self, name: str) -> float:
        """Return the sum of the samples of a series of the cluster `server`."""
        lines = [line for line in self.get("/metrics").splitlines() if line.startswith(f"{name}{{")]
        return sum(float(line.rpartition(" ")[2]) for line in lines if 'envoy_cluster_name="server"' in line)


class Service:
    """Two replicas behind Envoy; `add` starts another."""

    def __init__(self, models: Path, folder: Path, port: Callable[[], int], stack: ExitStack) -> None:
        self._models, self._stack, self._port = models, stack, port()
        self._flags = ["--engine", "onnxruntime", "--engine-cache", str(folder / "engines")]
        self._flags += ["--max-in-flight", str(PLACES), "--max-queue-wait", "30", "--drain-seconds", "5"]
        self.replicas: list[Replica] = []
        self.names: Names = stack.enter_context(names())
        for _ in range(2):
            self.add()
        self.envoy: Envoy = stack.enter_context(_running(folder, port, self._port, self.names))

    def add(self) -> Replica:
        replica = Replica(self._models, len(self.replicas) + 2, self._port, *self._flags)
        self.replicas.append(self._stack.enter_context(replica))
        self.names.addresses = (*self.names.addresses, replica.host)
        return replica

    def answered(self, code: str = "OK") -> list[float]:
        return [replica.answered(code) for replica in self.replicas]


def moved(config: dict[str, Any], port: Callable[[], int], server: int, resolver: int) -> dict[str, Any]:
    """Return the configuration with other ports: its own, those of the servers, and that of the DNS resolver."""
    config = copy.deepcopy(config)
    for number in (0, 1):
        _listener(config, number).update(address="127.0.0.1", port_value=port())
    admin = port()
    config["admin"]["address"]["socket_address"]["port_value"] = admin
    for cluster, new in zip(config["static_resources"]["clusters"], (server, admin), strict=True):
        (endpoint,) = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
        endpoint["endpoint"]["address"]["socket_address"]["port_value"] = new
    config["typed_dns_resolver_config"] = {
        "name": "envoy.network.dns_resolver.cares",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
            "resolvers": [{"socket_address": {"address": "127.0.0.1", "port_value": resolver}}],
        },
    }
    return config


@contextmanager
def _running(folder: Path, port: Callable[[], int], server: int, names: Names) -> Iterator[Envoy]:
    """Run Envoy, and wait until it is ready. `folder` gets its configuration and its log."""
    config = moved(yaml.safe_load(CONFIG.read_text()), port, server, names.port)
    path = folder / "envoy.json"
    path.write_text(json.dumps(config))
    _, *flags = services()["envoy"]["command"]
    command = [_BINARY, *(str(path) if flag == _MOUNTED else flag for flag in flags)]
    with (folder / "envoy.log").open("wb") as log, subprocess.Popen(command, stderr=log) as process:
        envoy = Envoy(process, config)
        try:
            eventually(lambda: _ready(envoy), f"Envoy is not ready: {folder / 'envoy.log'}")
            yield envoy
        finally:
            process.kill()


def _listener(config: dict[str, Any], number: int) -> dict[str, Any]:
    found: dict[str, Any] = config["static_resources"]["listeners"][number]["address"]["socket_address"]
    return found


def _ready(envoy: Envoy) -> bool:
    assert envoy.process.poll() is None, "Envoy ended"
    try:
        return envoy.get("/ready").startswith("LIVE")
    except OSError:
        return False
