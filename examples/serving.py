"""The real server, for the length of a demonstration."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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


@contextmanager
def running_server(models: Path) -> Iterator[str]:
    """Run the server in a process of its own, on free ports. Yields its gRPC address; stops it with TERM.

    Raises SystemExit when it does not start or does not stop cleanly.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "vitscope.server", str(models), *OPTIONS], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            event = json.loads(line) if line.startswith("{") else {"event": line.strip()}
            if event["event"] == "graph ready":
                print(f"{event['model']} on {event['engine']} ({event['device']}): {event['why']}")
                print(f"measured {event['images_per_second']:g} images/s at batch {event['best_batch']}")
            if event["event"] == "serving":
                print(f"gRPC on {event['grpc']}, metrics and health on http://{event['http']}")
                yield event["grpc"]
                break
        else:
            raise SystemExit("the server did not start; run `make serve` to see why")
    finally:
        process.terminate()
        code = process.wait(timeout=60)
    if code:
        raise SystemExit(f"the server stopped with exit code {code}")
