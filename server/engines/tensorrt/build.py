"""The plan of a graph on this GPU: from the cache if it was built for exactly this, else built now."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog
from pydantic import ValidationError

from vitscope.server.engines import cuda
from vitscope.server.engines.batches import buckets
from vitscope.server.engines.cache import EngineCache, Key
from vitscope.server.engines.contract import Identity, Precision
from vitscope.server.engines.kind import EngineSpec
from vitscope.server.engines.tensorrt import bindings
from vitscope.server.engines.tensorrt.builder import Options, build
from vitscope.server.engines.tensorrt.identity import PlanIdentity
from vitscope.server.engines.tensorrt.layers import fused_attention
from vitscope.server.engines.tensorrt.messages import Progress
from vitscope.server.engines.tensorrt.profiles import ranges
from vitscope.server.engines.tensorrt.runtime import TensorRtEngine

log = structlog.get_logger()

_PLAN, _TIMINGS = "tensorrt plan 1", "tensorrt timings 1"
# Share of a build between two lines in the log.
_LOGGED = 0.2


def identity(precision: Precision, device: int = 0) -> Identity:
    """Return the identity of an engine of this precision on one of this machine's GPUs."""
    return Identity(bindings.NAME, bindings.version(), precision, cuda.devices()[device].name)


def open_plan(spec: EngineSpec, device: int = 0) -> TensorRtEngine:
    """Open the engine of a bundle's graph on one GPU, building its plan first where the cache has none.

    A plan is used only where it was built for exactly this graph, version of TensorRT, GPU and driver. That is
    compared before TensorRT sees it, because a plan is code that runs. Building takes from seconds to minutes. Raises
    BuildFailed, CudaError.
    """
    trt, cache, wanted = bindings.load(), spec.cache, plan_identity(spec, device)
    key = _key(wanted)
    plan = cache.read(key)
    if plan is None:
        for reason in set(_mismatches(cache, wanted)):
            log.info("a cached plan cannot be used here", graph=spec.graph, reason=reason)
        cuda.select(device)
        plan = _build(trt, spec.path, wanted, cache)
        cache.write(key, plan)
    return TensorRtEngine(plan, identity(spec.precision, device), spec.profiles, wanted.batches, device)


def is_built(spec: EngineSpec, device: int = 0) -> bool:
    """Return whether `open_plan` finds its plan in the cache."""
    return spec.cache.read(_key(plan_identity(spec, device))) is not None


def _key(identity: PlanIdentity) -> Key:
    return {"kind": _PLAN, **identity.model_dump(mode="json")}


def plan_identity(spec: EngineSpec, device: int = 0) -> PlanIdentity:
    """Return what the plan of a graph has to be built for on this machine."""
    gpu = cuda.devices()[device]
    # The weights are a file of their own beside the graph, and the manifest has verified hashes of both.
    folder = spec.path.parent.name
    files = {name: digest for name, digest in spec.bundle.manifest.files.items() if name.startswith(folder)}
    content = f"{spec.path.name} {sorted(files.items())}"
    return PlanIdentity(
        tensorrt=bindings.version(),
        gpu=gpu.name,
        compute_capability=".".join(map(str, gpu.compute_capability)),
        multiprocessors=gpu.multiprocessors,
        driver=cuda.driver_version(),
        graph=hashlib.sha256(content.encode()).hexdigest(),
        precision=spec.precision,
        batches=buckets(spec.max_batch),
    )


def _build(trt: object, path: Path, wanted: PlanIdentity, cache: EngineCache) -> bytes:
    log.info(
        "building a TensorRT plan; this is done once on each kind of GPU", graph=path.name, precision=wanted.precision
    )
    timings: Key = {"kind": _TIMINGS, **wanted.model_dump(mode="json", include={"tensorrt", "gpu", "driver"})}
    options = Options(timing_cache=cache.read(timings) or b"")
    with TemporaryDirectory() as folder:
        source = path if wanted.precision == "f32" else _retyped(path, wanted.precision, Path(folder))
        built = build(trt, source, ranges(wanted.batches), options, Progress(trt, _ProgressLog()))
    cache.write(timings, built.timing_cache)
    fused = fused_attention(built.layers, len(ranges(wanted.batches)))
    log.info(
        "TensorRT plan built", graph=path.name, mib=round(len(built.plan) / 2**20, 1), layers_with_fused_attention=fused
    )
    return built.plan


def _retyped(path: Path, precision: Precision, folder: Path) -> Path:
    """Write the graph in another arithmetic into a folder. What is not in 8 bits of an fp8 graph is in f16."""
    # Servers without a GPU need not have onnx.
    import onnx

    from vitscope.server.engines.onnx.precision import retype, write

    written = folder / path.name
    write(retype(onnx.load(path), "bf16" if precision == "bf16" else "f16"), written)
    return written


class _ProgressLog:
    """Logs the progress of a build at every fifth of it."""

    def __init__(self) -> None:
        self._next = _LOGGED

    def __call__(self, phases: str, done: float) -> None:
        if done >= self._next:
            self._next = done + _LOGGED
            log.info("building a TensorRT plan", done=f"{done:.0%}", phases=phases)


def _mismatches(cache: EngineCache, wanted: PlanIdentity) -> Iterator[str]:
    """Yield how cached plans of the same graph in the same precision differ from the one that is wanted."""
    for key in cache.known():
        if key.get("kind") != _PLAN or (key.get("graph"), key.get("precision")) != (wanted.graph, wanted.precision):
            continue
        try:
            found = PlanIdentity.model_validate_json(json.dumps({name: key[name] for name in key if name != "kind"}))
        except ValidationError:
            continue  # an older version's
        yield found.differences(wanted)
