"""Engines whose answers depend on the machine are asked on it, once, before they serve."""

import structlog
from pydantic import ValidationError

from bundle import Bundle, CertificateEntry, GraphName
from server.engines import onnxruntime
from server.engines.cache import EngineCache, Key
from server.engines.contract import Engine, Profile, Slot
from server.engines.gate import bars_of, judge, made_up_images, through
from server.engines.tensorrt.profiles import buckets

log = structlog.get_logger()

# Made-up images that the gate looks at.
_IMAGES = 32


class GateFailed(Exception):
    """An engine answers otherwise than the float32 graph it was made from; the message says by how much."""


def require(engine: Engine, slot: Slot, bundle: Bundle, graph: GraphName, cache: EngineCache) -> CertificateEntry:
    """How close `engine` is to ONNX Runtime in float32 at each batch size: as found on an earlier start, or found now, in `slot`.

    Raises GateFailed where that is not close enough.
    """
    batches = buckets(engine.max_batch)
    key = _key(engine, bundle, graph, batches)
    entry = _recall(cache, key)
    if entry is None:
        log.info(
            "comparing engine with the float32 graph; this is done once on each machine", engine=str(engine.identity)
        )
        entry = _compare(engine, slot, bundle, graph, batches)
        cache.write(key, entry.model_dump_json().encode())
    if not entry.passed:
        raise GateFailed("it failed the gate on this machine: " + "; ".join(entry.shortfalls))
    return entry


def _compare(
    engine: Engine, slot: Slot, bundle: Bundle, graph: GraphName, batches: tuple[int, ...]
) -> CertificateEntry:
    contract = bundle.manifest.input
    reference = onnxruntime.OnnxRuntimeEngine(bundle.graph_path(graph), [Profile(1, 0)], engine.max_batch)
    try:
        return judge(
            through(slot),
            through(reference.slot()),
            made_up_images(_IMAGES, contract.height, contract.width),
            batches,
            engine.identity,
            bars_of(engine.identity.precision),
        )
    finally:
        reference.close()


def _key(engine: Engine, bundle: Bundle, graph: GraphName, batches: tuple[int, ...]) -> Key:
    identity = engine.identity
    return {
        "kind": "gate 1",
        "graph": graph,
        "files": bundle.manifest.files,
        "engine": [identity.name, identity.version, identity.precision, identity.device],
        "batches": batches,
    }


def _recall(cache: EngineCache, key: Key) -> CertificateEntry | None:
    content = cache.read(key)
    if content is None:
        return None
    try:
        return CertificateEntry.model_validate_json(content)
    except ValidationError as error:
        log.warning("cached gate result ignored; it is found anew", reason=str(error))
        return None
