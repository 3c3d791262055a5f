"""The load of Locust's scenario `constant`, sent without Locust. What Locust costs is measured against it.

python -m vitscope.loadtest.lean --server localhost:8500 --rate 200 --duration 10
"""

import argparse
import json
from dataclasses import replace
from random import Random
from typing import Any

from vitscope.client.channel import target_of
from vitscope.client.commands.arguments import named_server
from vitscope.loadtest.generator import Load, LoadResult, generate
from vitscope.loadtest.judge import figures
from vitscope.loadtest.mix import Mix
from vitscope.loadtest.options import Options, add_options
from vitscope.loadtest.tally import Tally

_WARM_UP = 1.0  # seconds that do not count
_DRAWN = 10_000  # requests, drawn beforehand and sent in turn; their shares are those of the options within a percent


def send(server: str, options: Options) -> dict[str, Any]:
    """Send a constant load of Classify calls. Returns its figures, and `cpu_ms` of this process per request."""
    mix, random = Mix(replace(options, stream=0.0)), Random(f"{options.seed}/mix")
    load = Load(
        target_of(server),
        tuple(mix.template(random).payload for _ in range(_DRAWN)),
        options.duration,
        warm_up=_WARM_UP,
        clients=options.clients,
        rate=options.rate,
        timeout=options.deadline,
        seed=options.seed,
        connections=options.connections,
    )
    result = generate(load)
    used = result.cpu_seconds * options.duration / result.wall_seconds
    cpu_ms = round(used / max(result.codes.total(), 1) * 1000, 3)
    return figures(_tally(result, options.deadline), options.duration) | {"cpu_ms": cpu_ms}


def _tally(result: LoadResult, deadline: float) -> Tally:
    tally = Tally(result.codes, sum(seconds <= deadline for seconds in result.answered))
    for times, found in ((tally.answered, result.answered), (tally.refused, result.refused), (tally.lag, result.lag)):
        for seconds in found:
            times.add(seconds)
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m vitscope.loadtest.lean", description=__doc__)
    parser.add_argument("--server", default=named_server(), metavar="HOST:PORT")
    add_options(parser)
    arguments = parser.parse_args()
    print(json.dumps(send(arguments.server, Options.of(arguments))))


if __name__ == "__main__":
    main()
