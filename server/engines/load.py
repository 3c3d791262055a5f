"""From a choice to a running engine, and what an engine can be asked for."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from vitscope.bundle import Bundle, GraphName
from vitscope.server.engines import onnxruntime, onnxruntime_cuda, openvino
from vitscope.server.engines.cache import NO_CACHE, EngineCache
from vitscope.server.engines.choose import GATED, WHY_NOT, Choice
from vitscope.server.engines.contract import Engine, Identity, Precision, Profile
from vitscope.server.engines.replicas import Replicas
from vitscope.server.engines.tensorrt import bindings as tensorrt
from vitscope.server.engines.tensorrt import build, cuda
from vitscope.server.host.cpu import give_way

_IDENTIFY: Mapping[str, Callable[[Precision], Identity]] = {
    tensorrt.NAME: build.identity,
    onnxruntime_cuda.NAME: onnxruntime_cuda.identity,
    onnxruntime_cuda.FUSED: partial(onnxruntime_cuda.identity, name=onnxruntime_cuda.FUSED),
    openvino.NAME: openvino.identity,
    onnxruntime.NAME: lambda precision: onnxruntime.identity(),
}


def open_engine(
    bundle: Bundle,
    graph: GraphName,
    choice: Choice,
    profiles: Sequence[Profile],
    max_batch: int,
    cache: EngineCache = NO_CACHE,
) -> Engine:
    """Compile one graph of the bundle for batches up to `max_batch`; what takes minutes to compile is kept in `cache`. Raises what
    the engine raises for a graph that it cannot load."""
    path = choice.graph_path(bundle, graph)

    def compiled() -> Engine:
        if choice.engine == tensorrt.NAME:
            return _on_every_gpu(
                lambda gpu: build.open_plan(bundle, graph, path, choice.precision, profiles, max_batch, cache, gpu),
                profiles,
            )
        if choice.engine in (onnxruntime_cuda.NAME, onnxruntime_cuda.FUSED):
            return _on_every_gpu(
                lambda gpu: onnxruntime_cuda.OnnxRuntimeCudaEngine(
                    path,
                    choice.precision,
                    profiles,
                    max_batch,
                    onnxruntime_cuda.identity(choice.precision, gpu, choice.engine),
                    bundle.manifest.layers,
                    gpu,
                ),
                profiles,
            )
        if choice.engine == openvino.NAME:
            return openvino.OpenVinoEngine(path, choice.precision, choice.arithmetic, profiles, max_batch)
        return onnxruntime.OnnxRuntimeEngine(path, profiles, max_batch)

    # Threads inherit the priority of the one that starts them.
    with ThreadPoolExecutor(1, thread_name_prefix="compile", initializer=give_way) as patient:
        return patient.submit(compiled).result()


def _on_every_gpu(opened: Callable[[int], Engine], profiles: Sequence[Profile]) -> Engine:
    """The engine on each GPU that this process may use (CUDA_VISIBLE_DEVICES says which)."""
    engines = [opened(gpu) for gpu in range(len(cuda.devices()))]
    return engines[0] if len(engines) == 1 else Replicas(engines, profiles)


def is_built(bundle: Bundle, graph: GraphName, choice: Choice, max_batch: int, cache: EngineCache) -> bool:
    """Whether `open_engine` takes seconds rather than minutes."""
    if choice.engine != tensorrt.NAME:
        return True
    return build.is_built(bundle, choice.graph_path(bundle, graph), choice.precision, max_batch, cache)


def identify(choice: Choice) -> Identity:
    """The identity that the engine of a choice would have, without compiling anything."""
    return _IDENTIFY[choice.engine](choice.precision)


def candidate_profiles(engine: str, threads: int) -> list[Profile]:
    """Ways for an engine to divide `threads`, fewest streams first; none leaves a thread over."""
    streams = [count for count in range(1, threads + 1) if threads % count == 0]
    if engine in GATED:
        gpus = len(cuda.devices())
        # A second run on each GPU, whose copies overlap the first one's computation.
        return [Profile(count, 1) for count in sorted({1, gpus, 2 * gpus})]
    if engine == onnxruntime.NAME:
        streams = sorted({1, threads})  # runs of a session share its threads, unless it has one
    return [Profile(count, threads // count) for count in streams]


def preload(engine: str) -> None:
    """Import an engine ("auto": the one that most machines end up with), which takes a fraction of a second."""
    WHY_NOT.get(engine, openvino.why_not)("f32")
