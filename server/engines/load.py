"""From a choice to a running engine, and what an engine can be asked for."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from bundle import Bundle, GraphName
from server.cpu import give_way
from server.engines import onnxruntime, openvino
from server.engines.choose import Choice
from server.engines.contract import Engine, Identity, Profile


def open_engine(
    bundle: Bundle, graph: GraphName, choice: Choice, profiles: Sequence[Profile], max_batch: int
) -> Engine:
    """Compile one graph of the bundle for batches up to `max_batch`. Raises what the engine raises for a graph that it cannot
    load."""
    path = choice.graph_path(bundle, graph)

    def compiled() -> Engine:
        if choice.engine == openvino.NAME:
            return openvino.OpenVinoEngine(path, choice.precision, choice.arithmetic, profiles, max_batch)
        return onnxruntime.OnnxRuntimeEngine(path, profiles, max_batch)

    # Threads inherit the priority of the one that starts them.
    with ThreadPoolExecutor(1, thread_name_prefix="compile", initializer=give_way) as patient:
        return patient.submit(compiled).result()


def identify(choice: Choice) -> Identity:
    """The identity that the engine of a choice would have, without compiling anything."""
    return openvino.identity(choice.precision) if choice.engine == openvino.NAME else onnxruntime.identity()


def candidate_profiles(engine: str, threads: int) -> list[Profile]:
    """Ways for an engine to divide `threads`, fewest streams first; none leaves a thread over."""
    streams = [count for count in range(1, threads + 1) if threads % count == 0]
    if engine == onnxruntime.NAME:
        streams = sorted({1, threads})  # runs of a session share its threads, unless it has one
    return [Profile(count, threads // count) for count in streams]


def preload(engine: str) -> None:
    """Import an engine ("auto": the one that is tried first), which takes a fraction of a second."""
    (onnxruntime if engine == onnxruntime.NAME else openvino).why_not("f32")
