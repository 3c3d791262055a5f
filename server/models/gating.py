"""Engines whose answers depend on the machine are asked on it, once, before they serve; any engine may be, on one's own images."""

from collections.abc import Iterator

import numpy as np
import structlog
from pydantic import ValidationError

from vitscope.bundle import Bundle, CertificateEntry, GraphName
from vitscope.server.engines import onnxruntime
from vitscope.server.engines.cache import EngineCache, Key
from vitscope.server.engines.contract import Engine, Profile, Slot
from vitscope.server.engines.gate import bars_of, judge, made_up_images, through
from vitscope.server.engines.tensorrt.profiles import buckets

log = structlog.get_logger()

# Made-up images that the gate looks at where nobody gave it any.
_IMAGES = 32
# Of the images; one's own come first, as they say more.
_OWN, _MADE_UP = "own", "made up"


class GateFailed(Exception):
    """An engine answers otherwise than the float32 graph it was made from; the message says by how much."""


def require(
    engine: Engine,
    slot: Slot,
    bundle: Bundle,
    graph: GraphName,
    cache: EngineCache,
    images: np.ndarray | None = None,
) -> CertificateEntry:
    """How close `engine` is to ONNX Runtime in float32 at each batch size, compared in `slot`.

    images: one's own, uint8 [M, H, W, 3] as the model takes them; the comparison is made anew, and stands in the cache from then
    on. Without them it is what was found on one's own images on this machine, or on made-up ones, or it is found now on those.
    Raises GateFailed where that is not close enough.
    """
    entry = None
    if images is None:
        entry = next(_recalled(engine, bundle, graph, cache), None)
    if entry is None:
        log.info("comparing engine with the float32 graph", engine=str(engine.identity), graph=graph)
        entry = _compare(engine, slot, bundle, graph, images)
        kind = _MADE_UP if images is None else _OWN
        cache.write(_key(engine, bundle, graph, kind), entry.model_dump_json().encode())
    if not entry.passed:
        raise GateFailed("it failed the gate on this machine: " + "; ".join(entry.shortfalls))
    return entry


def has_own(engine: Engine, bundle: Bundle, graph: GraphName, cache: EngineCache) -> bool:
    """Whether `engine` was compared on one's own images on this machine."""
    return cache.read(_key(engine, bundle, graph, _OWN)) is not None


def _compare(
    engine: Engine, slot: Slot, bundle: Bundle, graph: GraphName, images: np.ndarray | None
) -> CertificateEntry:
    contract = bundle.manifest.input
    reference = onnxruntime.OnnxRuntimeEngine(bundle.graph_path(graph), [Profile(1, 0)], engine.max_batch)
    try:
        return judge(
            through(slot),
            through(reference.slot()),
            made_up_images(_IMAGES, contract.height, contract.width) if images is None else images,
            buckets(engine.max_batch),
            engine.identity,
            bars_of(engine.identity.precision),
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
    identity = engine.identity
    return {
        "kind": "gate 2",
        "graph": graph,
        "files": bundle.manifest.files,
        "engine": [identity.name, identity.version, identity.precision, identity.device],
        "batches": buckets(engine.max_batch),
        "images": images,
    }
