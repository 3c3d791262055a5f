"""A single client: the latency beyond decoding and one run of the engine."""

from statistics import median

from bench import servers
from bench.limits import EngineSetup, decode_rate, engine_rate
from bench.models import Model
from bench.photos import payloads
from bench.run import Run
from vitscope.loadtest.generator import Load, LoadResult
from vitscope.v1 import classifier_pb2

MODELS = ("vit-ti", "vit-b")


def measure(run: Run) -> None:
    for name in MODELS:
        if name in run.effort.models:
            _measure(run, run.model(name))


def _measure(run: Run, model: Model) -> None:
    sent = payloads(model.jpegs)
    with servers.vitscope(model) as server, servers.echo() as echo:
        for round_ in run.rounds():
            seconds = run.seconds(model)
            decode = run.limit(decode_rate, model.bundle.path, model.jpegs, seconds / 4, threads=1).seconds
            engine = run.limit(engine_rate, model.graph, EngineSetup(streams=1, batch=1), seconds / 2).seconds
            load = Load(server.address, sent, seconds, clients=1, keep=100_000)
            result = run.drive(model, "vitscope", "1 client", server, load, round_)
            # With the same pause between two calls, the threads of both sides sleep as long, and wake up at the same
            # cost.
            bare = Load(echo.address, sent, seconds / 2, clients=1, pause=decode + engine)
            run.drive(model, "bare gRPC echo", "1 client", echo, bare, round_)
            run.record(
                model,
                "overhead",
                "1 client",
                round_,
                by_reply_ms=1000 * median(_beyond_timing(result)),
                by_limits_ms=1000 * (median(result.answered) - decode - engine),
                decode_ms=1000 * decode,
                engine_ms=1000 * engine,
            )


def _beyond_timing(result: LoadResult) -> list[float]:
    """Return the seconds of each call, less decoding and inference by the timing in its reply."""
    timings = (classifier_pb2.ClassifyResponse.FromString(reply).timing for reply in result.replies)
    return [
        took - timing.decode_seconds - timing.infer_seconds
        for took, timing in zip(result.answered, timings, strict=True)
    ]
