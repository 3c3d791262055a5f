"""From an ONNX graph to a TensorRT plan, on TensorRT 10.16, 11 and TensorRT-RTX alike.

The precision is in the types of the graph: networks are strongly typed, the only kind that TensorRT 11 has.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vitscope.server.engines.classes import MOST_CLASSES, TARGETS
from vitscope.server.engines.tensorrt.messages import Messages, Progress
from vitscope.server.engines.tensorrt.profiles import Range


class BuildFailed(Exception):
    """TensorRT made no plan of a graph; the message holds all of TensorRT's messages."""


class BuildCancelled(BuildFailed):
    """Progress.cancel() ended the build."""


@dataclass(frozen=True)
class Options:
    """Options of a build.

    workspace: bytes of GPU memory that a layer may use for intermediate results; None: as much as there is.
    optimization_level: 0 (first kernel that works) to 5 (longest search). timing_cache: what an earlier build on the
    same GPU returned. target: the GPU to build for, such as "SM89"; for TensorRT-RTX alone, which builds for GPUs
    that the machine does not have.
    """

    workspace: int | None = None
    optimization_level: int = 3
    timing_cache: bytes = b""
    target: str | None = None

    def __post_init__(self) -> None:
        if self.optimization_level not in range(6):
            raise ValueError(f"optimization_level is {self.optimization_level}; accepted: 0 to 5")
        if self.workspace is not None and self.workspace < 1:
            raise ValueError(f"workspace is {self.workspace}; accepted: 1 byte and more")


DEFAULT = Options()


@dataclass(frozen=True)
class Built:
    """A plan, the timing cache for the next build, and the names of the engine's layers."""

    plan: bytes
    timing_cache: bytes
    layers: tuple[str, ...]


def build(
    trt: Any,
    graph: Path | bytes,
    ranges: Sequence[Range],
    options: Options = DEFAULT,
    progress: Progress | None = None,
) -> Built:
    """Build a graph that takes uint8 [N, H, W, 3], with one optimisation profile for each range of N.

    One that explains classes also takes int64 [N, K]; each profile has every K, and is fastest for one class.
    trt: the TensorRT module, or TensorRT-RTX's. graph: an ONNX file, beside which its external data is found, or a
    serialised model that holds its weights. Takes seconds to minutes. Raises BuildFailed, BuildCancelled.
    """
    with Messages(trt) as messages:
        try:
            builder = trt.Builder(messages.logger)
        except TypeError as error:  # what the bindings make of a null pointer
            raise BuildFailed(messages.explain("TensorRT does not start; is there a GPU with a driver?")) from error
        network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
        # Owns the weights, and so has to live until the plan is built.
        parser = trt.OnnxParser(network, messages.logger)
        if not (parser.parse(graph) if isinstance(graph, bytes) else parser.parse_from_file(str(graph))):
            for index in range(parser.num_errors):
                messages.error(parser.get_error(index).desc())
            raise BuildFailed(messages.explain(f"TensorRT cannot read {_named(graph)}"))

        config = _configuration(trt, builder, options)
        if progress is not None:
            config.progress_monitor = progress.monitor
        pixels, classes = _inputs(trt, network)
        for sizes in ranges:
            profile = builder.create_optimization_profile()
            profile.set_shape(pixels.name, *((n, *tuple(pixels.shape)[1:]) for n in sizes))
            if classes is not None:
                profile.set_shape(classes.name, (sizes.min, 1), (sizes.opt, 1), (sizes.max, MOST_CLASSES))
            if config.add_optimization_profile(profile) < 0:
                raise BuildFailed(messages.explain(f"TensorRT refuses the batch sizes of {sizes}"))

        plan = builder.build_serialized_network(network, config)
        if progress is not None and progress.cancelled:
            raise BuildCancelled(f"the build of {_named(graph)} was cancelled")
        if plan is None:
            raise BuildFailed(messages.explain(f"TensorRT makes no plan of {_named(graph)}"))
        return Built(bytes(plan), bytes(config.get_timing_cache().serialize()), tuple(messages.layers))


def _configuration(trt: Any, builder: Any, options: Options) -> Any:
    config = builder.create_builder_config()
    config.builder_optimization_level = options.optimization_level
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    config.clear_flag(trt.BuilderFlag.TF32)  # what the graph calls float32 is float32
    if options.workspace is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace)
    if options.target is not None:
        if options.target not in trt.ComputeCapability.__members__:
            raise BuildFailed(f"target is {options.target}; accepted: {', '.join(trt.ComputeCapability.__members__)}")
        config.num_compute_capabilities = 1
        config.set_compute_capability(getattr(trt.ComputeCapability, options.target), 0)
    known = config.create_timing_cache(options.timing_cache)
    if known is None or not config.set_timing_cache(known, False):
        # It is of another GPU or another TensorRT. Without it the build only takes longer.
        config.set_timing_cache(config.create_timing_cache(b""), False)
    return config


def _inputs(trt: Any, network: Any) -> tuple[Any, Any]:
    """Return the pixels, and the classes to explain or None."""
    inputs = [network.get_input(index) for index in range(network.num_inputs)]
    classes = [tensor for tensor in inputs if tensor.name == TARGETS]
    images = [tensor for tensor in inputs if tensor.name != TARGETS]
    fits = all(tensor.dtype == trt.DataType.INT64 and tuple(tensor.shape) == (-1, -1) for tensor in classes)
    if fits and len(images) == 1 and images[0].dtype == trt.DataType.UINT8 and tuple(images[0].shape)[0::3] == (-1, 3):
        return images[0], classes[0] if classes else None
    found = ", ".join(f"{tensor.name} {tensor.dtype.name.lower()} {list(tensor.shape)}" for tensor in inputs)
    raise BuildFailed(
        f"the graph's input is {found or 'missing'}; accepted: one, uint8 [-1, H, W, 3]; "
        f"or beside it {TARGETS}, int64 [-1, -1]"
    )


def _named(graph: Path | bytes) -> str:
    return "the graph" if isinstance(graph, bytes) else graph.name
