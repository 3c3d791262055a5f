"""The limits that a server is compared with: decoding and inference alone, in one process without gRPC.

These functions run in a worker process of their own, which keeps compiled models for the next call.
"""

import itertools
import math
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from vitscope.bundle import Bundle, open_bundle
from vitscope.loadtest.rates import rate_between
from vitscope.server.host.cpu import available_cpus
from vitscope.server.images import ImageLimits, prepare_encoded

CORES = available_cpus()
BATCHES = (1, 2, 4, 8, 16)
_WARM_UP = 0.3


@dataclass(frozen=True, order=True)
class EngineSetup:
    """How the engine runs: `streams` in parallel, which share all cores, each with batches of `batch` images."""

    streams: int
    batch: int


@dataclass(frozen=True)
class Rate:
    """images: per second. seconds: median duration of one call, which is one batch where there are batches."""

    images: float
    seconds: float


def setups() -> list[list[EngineSetup]]:
    """Return every setup that is tried: a row of batch sizes for each number of streams."""
    streams = [2**k for k in range(CORES.bit_length()) if 2**k <= CORES]
    return [[EngineSetup(s, b) for b in BATCHES] for s in streams]


def best_precision() -> str:
    """Return bf16 where the processor supports it, else f32."""
    capabilities = _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return "bf16" if "BF16" in capabilities else "f32"


def engine_rate(graph: Path, setup: EngineSetup, seconds: float) -> Rate:
    """Measure the engine alone, on pixels in memory."""
    runners = [_runner(graph, setup) for _ in range(setup.streams)]
    return _repeat(runners, setup.batch, seconds)


def decode_rate(bundle: Path, jpegs: Sequence[bytes], seconds: float, threads: int = CORES) -> Rate:
    """Measure the server's own path from a JPEG to the input pixels of the model, on `threads` threads."""
    return _repeat([_decoder(bundle, jpegs, first) for first in range(threads)], 1, seconds)


def combined_rate(bundle: Path, graph: Path, jpegs: Sequence[bytes], setup: EngineSetup, seconds: float) -> Rate:
    """Measure both at once: decode threads, one per core, feed engine threads through a bounded queue."""
    decoded: queue.Queue[np.ndarray] = queue.Queue(maxsize=2 * setup.batch * setup.streams)
    stop = threading.Event()

    def feed(first: int) -> None:
        decode = _decoder(bundle, jpegs, first)
        while not stop.is_set():
            pixels = decode()
            while not stop.is_set():
                try:
                    decoded.put(pixels, timeout=0.1)
                    break
                except queue.Full:
                    pass

    feeders = [threading.Thread(target=feed, args=(first,), daemon=True) for first in range(CORES)]
    for feeder in feeders:
        feeder.start()
    try:
        return _repeat([_runner(graph, setup, decoded.get) for _ in range(setup.streams)], setup.batch, seconds)
    finally:
        stop.set()
        for feeder in feeders:
            feeder.join()


def back_to_back(engine: float, decode: float) -> float:
    """Return images per second if every core decoded and ran the engine in turn, without any loss between the two."""
    return 1 / (1 / engine + 1 / decode)


def _repeat(functions: Sequence[Callable[[], object]], weight: int, seconds: float) -> Rate:
    """Call each function repeatedly on a thread of its own. Each call counts as `weight` images."""
    begin = time.perf_counter() + _WARM_UP
    end = begin + seconds
    finished: list[list[float]] = [[] for _ in functions]
    took: list[float] = []

    def work(function: Callable[[], object], mine: list[float]) -> None:
        while (began := time.perf_counter()) < end or len(mine) < 2:
            function()
            mine.append(time.perf_counter())
            took.append(mine[-1] - began)

    threads = [threading.Thread(target=work, args=pair, daemon=True) for pair in zip(functions, finished, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Up to the last call of each thread, so that no call is cut off.
    rates = (rate_between(mine, begin, math.inf) for mine in finished)
    return Rate(weight * sum(rates), float(np.median(took)))


def _runner(graph: Path, setup: EngineSetup, take: Callable[[], np.ndarray] | None = None) -> Callable[[], object]:
    """Return a function that runs one batch. It fills the batch from `take` first, if that is given."""
    import openvino

    compiled = _compiled(graph, setup.streams)
    request = compiled.create_infer_request()
    side = compiled.inputs[0].get_partial_shape()[1].get_length()
    pixels = np.random.default_rng(0).integers(64, 192, (setup.batch, side, side, 3), np.uint8)
    request.set_input_tensor(openvino.Tensor(pixels, shared_memory=True))

    def run() -> None:
        if take:
            for row in pixels:
                row[:] = take()
        request.infer()

    return run


def _decoder(bundle: Path, jpegs: Sequence[bytes], first: int) -> Callable[[], np.ndarray]:
    manifest, limits = _opened(bundle).manifest, ImageLimits()
    files = itertools.islice(itertools.cycle(jpegs), first, None)
    return lambda: prepare_encoded(next(files), manifest.input, manifest.tokens, limits, keep_photo=False).pixels


@cache
def _opened(bundle: Path) -> Bundle:
    return open_bundle(bundle)


@cache
def _core() -> Any:
    import openvino

    return openvino.Core()


@cache
def _compiled(graph: Path, streams: int) -> Any:
    import openvino

    model = _core().read_model(graph)
    side = model.inputs[0].get_partial_shape()[1].get_length()
    model.reshape([openvino.Dimension(1, max(BATCHES)), side, side, 3])
    return _core().compile_model(
        model,
        "CPU",
        {
            "INFERENCE_PRECISION_HINT": best_precision(),
            "INFERENCE_NUM_THREADS": CORES,
            "NUM_STREAMS": streams,
            "PERFORMANCE_HINT": "LATENCY" if streams == 1 else "THROUGHPUT",
            "ENABLE_CPU_PINNING": False,
        },
    )
