"""Every disk is full: that of the models, of the cache, of temporary files, and of the log."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import FASHION
from tests.e2e.harness import ROOT
from tests.server.decoding.files import tiff, until
from vitscope import Client, InvalidImage, RenderingOptions

# A disk of its own for this process, with the models on it and no room beside them.
FULL = """
mount -t tmpfs -o size=128m full "$1" && cp -r "$2" "$1/models" && mkdir "$1/tmp" || exit 77
dd if=/dev/zero of="$1/filling" bs=4k 2>/dev/null
shift 2
exec "$@" 2>/dev/full >/dev/full
"""


def free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        return one.getsockname()[1], two.getsockname()[1]


def test_it_serves_and_ends_as_ever(models: Path, tmp_path: Path) -> None:
    (disk := tmp_path / "disk").mkdir()
    grpc, http = free_ports()
    command = [sys.executable, "-m", "vitscope.server", str(disk / "models"), "--host", "127.0.0.1", "--grpc-port"]
    command += [str(grpc), "--http-port", str(http), "--drain-seconds", "0", "--log-format", "json"]
    environment = {"HOME": str(disk), "XDG_CACHE_HOME": str(disk / "cache"), "TMPDIR": str(disk / "tmp")}
    inside = ["unshare", "--mount", "sh", "-c", FULL, "sh", str(disk), str(models), *command]
    with subprocess.Popen(inside, cwd=ROOT, env={**os.environ, **environment}) as server:
        try:

            def ready() -> bool:
                if server.poll() in (1, 77):  # of unshare, and of FULL
                    pytest.skip("nothing can be mounted here")
                assert server.poll() is None
                with suppress(OSError):
                    return urllib.request.urlopen(f"http://127.0.0.1:{http}/healthz/ready", timeout=5).status == 200
                return False

            until(ready, 90)
            photo = min((FASHION / "samples").glob("*.png"))
            with Client(f"127.0.0.1:{grpc}", timeout=60) as client:
                drawn = client.classify(photo, model="fashion", attention="last", rendering=RenderingOptions("overlay"))
                assert drawn.classes[0].label == "ankle-boot" and drawn.maps[0].picture
                assert client.classify(tiff(), model="fashion").classes  # in a process of its own
                with pytest.raises(InvalidImage):
                    client.classify(photo.read_bytes()[:200], model="fashion")
            server.send_signal(signal.SIGTERM)
            assert server.wait(60) == 0
        finally:
            server.kill()
