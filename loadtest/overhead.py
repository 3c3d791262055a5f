"""The cost of Locust: the same loads sent by Locust and by the lean generator in turn, to one server.

    python -m vitscope.loadtest.overhead --server localhost:8500 --rates 50,200,400 --rounds 3

A load that both can send shows what Locust adds to the latencies. To find the largest load that each can send, take a
server that is faster than either.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from vitscope.client.commands.arguments import named_server
from vitscope.loadtest.report import JSON_NAME
from vitscope.tables import text_table

_SECONDS = 5
_FIGURES = ("rate", "p50_ms", "p99_ms", "lag_p99_ms", "cpu_ms")


def send_lean(server: str, load: list[str]) -> dict[str, Any]:
    """Return the figures of the lean generator."""
    command = [sys.executable, "-m", "vitscope.loadtest.lean", "--server", server, *load]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return found


def send_locust(server: str, load: list[str]) -> dict[str, Any]:
    """Return the same figures of Locust."""
    script = Path(__file__).with_name("locustfile.py")
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "locust",
            "-f",
            str(script),
            "--headless",
            "--host",
            server,
            "--report",
            folder,
        ]
        subprocess.run([*command, *load], check=False, capture_output=True)
        summary = json.loads((Path(folder) / JSON_NAME).read_text())
    found: dict[str, Any] = summary["phases"][0]
    return found | {"cpu_ms": summary["senders"][0]["cpu_ms"]}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m vitscope.loadtest.overhead", description=__doc__)
    parser.add_argument("--server", default=named_server(), metavar="HOST:PORT")
    parser.add_argument("--rates", default="50,100,200", help="arrivals a second")
    parser.add_argument("--clients", default="1,16", help="clients of a closed loop")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--deadline", default="10", metavar="SECONDS")
    arguments = parser.parse_args()
    loads = [["--rate", rate] for rate in arguments.rates.split(",") if rate]
    loads += [["--clients", clients] for clients in arguments.clients.split(",") if clients]
    rows = []
    for load in loads:
        common = [*load, "--duration", str(_SECONDS), "--deadline", arguments.deadline]
        found: dict[str, list[dict[str, Any]]] = {"lean": [], "Locust": []}
        for number in range(arguments.rounds):
            print(f"{' '.join(load)}, round {number + 1} of {arguments.rounds}", file=sys.stderr)
            found["lean"].append(send_lean(arguments.server, common))
            found["Locust"].append(send_locust(arguments.server, common))
        for name, rounds in found.items():
            medians = (statistics.median(one[figure] or 0.0 for one in rounds) for figure in _FIGURES)
            rows.append((" ".join(load), name, *(f"{median:.2f}" for median in medians)))
    print(f"medians of {arguments.rounds} rounds of {_SECONDS} s, in turn")
    print(text_table(("load", "by", *_FIGURES), rows))


if __name__ == "__main__":
    main()
