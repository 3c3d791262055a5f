"""The wall clock jumps, as when a machine wakes up or its time is set: no deadline and no metric goes by it."""

import shutil
import struct
import subprocess
import threading
from pathlib import Path

import pytest

from tests.conftest import FASHION
from tests.e2e.harness import RunningServer
from tests.server.decoding.files import tiff
from vitscope import Client, DeadlineExceeded

YEARS = 365 * 24 * 3600
SAMPLES = sorted((FASHION / "samples").glob("*.png"))


@pytest.fixture
def clock(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """The file that moves the clock, and the environment in which it does."""
    compiler = shutil.which("cc") or pytest.skip("needs a C compiler")
    library, file = tmp_path / "clock.so", tmp_path / "clock"
    source = Path(__file__).with_name("clock.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    file.write_bytes(bytes(8))
    return file, {"LD_PRELOAD": str(library), "CLOCK_FILE": str(file)}


def test_calls_and_metrics_do_not_go_by_the_wall_clock(models: Path, clock: tuple[Path, dict[str, str]]) -> None:
    file, environment = clock
    with RunningServer(models, environment=environment) as server, Client(server.address, timeout=60) as client:
        took: list[float] = []

        def ask(number: int) -> None:
            took.append(client.classify(tiff(number), model="fashion").timing.total)  # decoded in a process of its own

        for number, years in enumerate((10, -10, 0)):
            asking = [threading.Thread(target=ask, args=(8 * number + one,)) for one in range(8)]
            for thread in asking:
                thread.start()
            with file.open("r+b") as moved:
                moved.write(struct.pack("q", years * YEARS))  # while they wait
            for thread in asking:
                thread.join(60)
            assert client.classify(SAMPLES[number], model="fashion").classes
            with pytest.raises(DeadlineExceeded):
                client.classify(SAMPLES[number + 10], model="fashion", timeout=1e-6)
            assert server.get("/healthz/ready") == "ok\n"
        assert len(took) == 24 and min(took) >= 0 and max(took) < 60
        for name in ("vitscope_stage_seconds_sum", "vitscope_http_request_seconds_sum", "vitscope_backlog_seconds"):
            assert 0 <= server.metric(name) < 600, name
