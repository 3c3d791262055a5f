"""What a server can do right now, as the measure for an open loop."""

from bench.load import Load, Payload
from bench.models import Model
from bench.run import Run
from bench.servers import Server

_CLIENTS = 32


def capacity(run: Run, model: Model, unbounded: Server, sent: tuple[Payload, ...], round_: int) -> float:
    """Images per second with 32 clients in a closed loop, of a server that refuses nobody; also recorded."""
    load = Load(unbounded.address, sent, run.seconds(model), clients=_CLIENTS)
    return run.drive(model, "vitscope", "capacity", unbounded, load, round_).rate
