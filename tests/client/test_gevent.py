"""A process that gevent has patched: told what to do, or, with gRPC prepared, served like any other."""

import subprocess
import sys
from importlib.util import find_spec

import pytest

SCRIPT = """
import sys
from gevent import monkey
monkey.patch_all()
if sys.argv[2] == "prepared":
    import grpc.experimental.gevent
    grpc.experimental.gevent.init_gevent()
import gevent
from vitscope import Client, ClientError

def source():
    for _ in range(3):
        gevent.sleep(0.05)
        yield b"no image"

try:
    with Client(sys.argv[1]) as client:
        print(sorted(index for index, _ in client.classify_many(source())))
except ClientError as error:
    print(error)
"""


@pytest.mark.skipif(find_spec("gevent") is None, reason="gevent comes with Locust, the extra [load]")
@pytest.mark.parametrize(("how", "answer"), [("prepared", "[0, 1, 2]"), ("not", "init_gevent() after gevent")])
def test_a_patched_process(how: str, answer: str, server: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, server, how], capture_output=True, text=True, timeout=60, check=False
    )
    assert answer in done.stdout, done.stderr
