"""The same load without Locust: one asyncio loop, nothing beside sending and counting. What Locust costs is measured against it.

python -m vitscope.loadtest.lean --server localhost:8500 --rate 200 --duration 10
"""

import argparse
import asyncio
import json
import time
from random import Random
from time import perf_counter
from typing import Any

from grpc import aio

from vitscope.client.channel import DEFAULT_SERVER, target_of
from vitscope.loadtest.arrivals import poisson
from vitscope.loadtest.channels import CHANNEL_OPTIONS, SERVICE, failure
from vitscope.loadtest.judge import figures
from vitscope.loadtest.mix import Mix
from vitscope.loadtest.options import Options, add_options
from vitscope.loadtest.tally import OK, Outcome, Tally

WARM_UP = 1.0  # seconds that do not count


async def generate(server: str, options: Options) -> dict[str, Any]:
    """The figures of a constant load of Classify calls, and `cpu_ms`, of this process for each request. Streams are not spoken."""
    mix, tally = Mix(options), Tally()
    async with aio.insecure_channel(target_of(server), CHANNEL_OPTIONS) as channel:
        await channel.channel_ready()
        call = channel.unary_unary(f"{SERVICE}/Classify", None, None)
        begin = perf_counter() + WARM_UP
        end = begin + options.duration
        random = Random(options.seed)

        async def ask(intended: float) -> None:
            message = mix.draw(random).message
            lag = perf_counter() - intended
            try:
                answer = await call(message, timeout=options.deadline)
            except aio.AioRpcError as error:
                outcome = failure(error, perf_counter() - intended, lag)
            else:
                seconds = perf_counter() - intended
                outcome = Outcome(OK, seconds, lag, in_time=seconds <= options.deadline, size=len(answer))
            if begin <= intended < end:
                tally.add(outcome)

        async def client() -> None:
            while (now := perf_counter()) < end:
                await ask(now)

        async def arrivals() -> None:
            async with asyncio.TaskGroup() as asking:
                for due in poisson(options.rate, perf_counter(), random):
                    if due >= end:
                        return
                    if (wait := due - perf_counter()) > 0:
                        await asyncio.sleep(wait)
                    asking.create_task(ask(due))

        used = time.process_time()
        if options.clients:
            await asyncio.gather(*(client() for _ in range(options.clients)))
        else:
            await arrivals()
        used = time.process_time() - used
    share = options.duration / (options.duration + WARM_UP)
    return figures(tally, options.duration) | {"cpu_ms": round(used * share / max(tally.total, 1) * 1000, 3)}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m vitscope.loadtest.lean", description=__doc__)
    parser.add_argument("--server", default=DEFAULT_SERVER, metavar="HOST:PORT")
    add_options(parser)
    arguments = parser.parse_args()
    print(json.dumps(asyncio.run(generate(arguments.server, Options.of(arguments)))))


if __name__ == "__main__":
    main()
