"""The capacity of a server at this moment, as the reference of an open loop."""

from bench.models import Model
from bench.run import Run
from bench.servers import Server
from vitscope.loadtest.generator import Load
from vitscope.loadtest.numbered import Numbered

_CLIENTS = 32


def capacity(
    run: Run, model: Model, unbounded: Server, sent: tuple[Numbered, ...], round_: int, photos: str = ""
) -> float:
    """Measure and record images per second with 32 clients in a closed loop, of a server that refuses nothing.

    photos: what is sent, for the title of the record.
    """
    load = Load(unbounded.address, sent, run.seconds(model), clients=_CLIENTS)
    return run.drive(model, "vitscope", f"capacity, {photos}" if photos else "capacity", unbounded, load, round_).rate
