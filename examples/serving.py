"""The real server, for the length of a demonstration."""

import json
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

OPTIONS = [
    "--host",
    "127.0.0.1",
    "--grpc-port",
    "0",
    "--http-port",
    "0",
    "--drain-seconds",
    "0",
    "--log-format",
    "json",
]


class Serving(NamedTuple):
    """Where a server listens. grpc: "host:port". page: the address of the attention explorer."""

    grpc: str
    page: str


@contextmanager
def running_server(models: Path) -> Iterator[Serving]:
    """Run the server in a process of its own, on free ports. Yields where it listens; stops it with TERM.

    Raises SystemExit when it does not start or does not stop cleanly.
    """
    # In a session of its own, so that Ctrl-C in the terminal does not reach it before TERM does.
    command = [sys.executable, "-m", "vitscope.server", str(models), *OPTIONS]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stderr is not None
    try:
        for line in process.stderr:
            event = json.loads(line) if line.startswith("{") else {"event": line.strip()}
            if event["event"] == "graph ready":
                print(f"{event['model']} on {event['engine']} ({event['device']}): {event['why']}")
                print(f"measured {event['images_per_second']:g} images/s at batch {event['best_batch']}")
            if event["event"] == "serving":
                print(f"gRPC on {event['grpc']}, metrics and health on http://{event['http']}")
                # What it logs from now on has to be read, or it would wait for that.
                threading.Thread(target=deque, args=(process.stderr, 0), daemon=True).start()
                yield Serving(event["grpc"], f"http://{event['http']}/")
                break
        else:
            raise SystemExit("the server did not start; run `make serve` to see why")
    finally:
        process.terminate()
        code = process.wait(timeout=60)
    if code:
        raise SystemExit(f"the server stopped with exit code {code}")
