"""The gate's verdict on an engine: found once on each machine, then kept in the engine cache."""

from collections.abc import Iterator

import numpy as np
import structlog
from pydantic import ValidationError

from vitscope.bundle import Bundle, CertificateEntry, GraphName
from vitscope.server.engines import onnxruntime
from vitscope.server.engines.batches import buckets
from vitscope.server.engines.cache import EngineCache, Key
from vitscope.server.engines.contract import Engine, Slot
from vitscope.server.engines.gate.images import made_up_images
from vitscope.server.engines.gate.judge import bars_of, judge, through
from vitscope.server.host.cpu import available_cpus

log = structlog.get_logger()

# The kinds of images. The user's own say more, so a verdict on them takes precedence.
_OWN, _MADE_UP = "own", "made up"


class GateFailed(Exception):
    """An engine is not close enough to the float32 graph that it was made from; the message says by how much."""


def require(
    engine: Engine,
    slot: Slot,
    bundle: Bundle,
    graph: GraphName,
    cache: EngineCache,
    images: np.ndarray | None = None,
) -> CertificateEntry:
    """Return how close `engine` is to ONNX Runtime in float32, or raise GateFailed where that is not close enough.

    images: the user's own, uint8 [M, H, W, 3] as the model takes them. With them the engine is always compared anew,
    in `slot`, and the cache keeps that verdict. Without them the verdict is the one on the user's images or, failing
    that, on made-up images that the cache holds for this machine; where there is none, the engine is compared on
    made-up images.
    """
    entry = None
    if images is None:
        entry = next(_recalled(engine, bundle, graph, cache), None)
    if entry is None:
        log.info("comparing engine with the float32 graph", engine=str(engine.identity), graph=graph)
        contract, kind = bundle.manifest.input, _OWN
        if images is None:
            images, kind = made_up_images(contract.height, contract.width), _MADE_UP
        entry = compare(engine, slot, bundle, graph, images)
        cache.write(_key(engine, bundle, graph, kind), entry.model_dump_json().encode())
    if not entry.passed:
        raise GateFailed("it failed the gate on this machine: " + "; ".join(entry.shortfalls))
    return entry


def has_own(engine: Engine, bundle: Bundle, graph: GraphName, cache: EngineCache) -> bool:
    """Return whether the cache holds a verdict on the user's own images for this machine."""
    return cache.read(_key(engine, bundle, graph, _OWN)) is not None


def compare(engine: Engine, slot: Slot, bundle: Bundle, graph: GraphName, images: np.ndarray) -> CertificateEntry:
    """Compare `engine` with ONNX Runtime in float32 at every batch size, in `slot`, on uint8 [M, H, W, 3]."""
    profile = onnxruntime.KIND.profiles(available_cpus())[0]
    reference = onnxruntime.OnnxRuntimeEngine(bundle.graph_path(graph), [profile], engine.max_batch)
    try:
        return judge(
            through(slot),
            through(reference.slot()),
            images,
            buckets(engine.max_batch),
            engine.identity,
            bars_of(engine.identity.precision),
            bundle.manifest.activation,
            bundle.manifest.temperature,
        )
    finally:
        reference.close()


def _recalled(engine: Engine, bundle: Bundle, graph: GraphName, cache: EngineCache) -> Iterator[CertificateEntry]:
    for kind in (_OWN, _MADE_UP):
        content = cache.read(_key(engine, bundle, graph, kind))
        if content is None:
            continue
        try:
            yield CertificateEntry.model_validate_json(content)
        except ValidationError as error:
            log.warning("cached gate result ignored", images=kind, reason=str(error))


def _key(engine: Engine, bundle: Bundle, graph: GraphName, images: str) -> Key:
    identity, temperature = engine.identity, bundle.manifest.temperature
    return {
        "kind": "gate 3" if temperature == 1 else f"gate 3 at temperature {temperature}",
        "graph": graph,
        "files": bundle.manifest.files,
        "engine": [identity.name, identity.version, identity.precision, identity.device],
        "batches": buckets(engine.max_batch),
        "images": images,
    }
