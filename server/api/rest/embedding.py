"""How a model's patches become tokens, as a container: the convolution, its principal filters, the positions."""

import asyncio
from typing import Any
from weakref import WeakKeyDictionary

from vitscope.bundle import Bundle, BundleError, TokenGeometry
from vitscope.bundle.reader import EXPLAIN
from vitscope.drawing.principal import MOST, principal_filters
from vitscope.server.api.rest.container import pack
from vitscope.server.errors import InvalidRequest
from vitscope.server.models.errors import without_folder
from vitscope.server.models.served import ServedModel

_AGAIN = "a model that was exported with it: export its checkpoint again"
_TABLES = ("positions", "rope", "relative_bias")


class Embeddings:
    """Makes the container of each model once, off the event loop."""

    def __init__(self) -> None:
        self._made = WeakKeyDictionary[ServedModel, asyncio.Task[bytes]]()

    async def of(self, model: ServedModel) -> bytes:
        """Return the container. Raises InvalidRequest for a bundle without the arrays, OSError if they are gone."""
        bundle, making = model.bundle, self._made.get(model)
        if EXPLAIN not in bundle.manifest.files:
            raise InvalidRequest("model", f"{model}, whose bundle has no {EXPLAIN}", _AGAIN)
        if making is None or (making.done() and making.exception()):
            making = self._made[model] = asyncio.create_task(asyncio.to_thread(embedding_of, bundle))
            making.add_done_callback(lambda task: task.exception())  # lest it be reported when nobody waits any more
        try:
            return await asyncio.shield(making)
        except BundleError as error:
            found = without_folder(error, bundle.path).partition(";")[0]
            raise InvalidRequest("model", found, _AGAIN) from error


def embedding_of(bundle: Bundle) -> bytes:
    """Return the container of a bundle. Takes up to about a second. Raises BundleError, OSError."""
    manifest, found = bundle.manifest, bundle.embedding()
    principal = principal_filters(found.kernel)
    head = {
        "model": manifest.name,
        "version": manifest.version,
        "digest": bundle.digest,
        "grid": found.grid,
        "stride": found.stride,
        "padding": found.padding,
        "prefix": prefix_names(manifest.tokens),
        "kinds": found.kinds,
        "mean": manifest.input.mean,
        "std": manifest.input.std,
        "rescale": manifest.input.rescale,
    }
    arrays = {
        "kernel": found.kernel,
        "bias": found.bias,
        "principal_filters": principal.filters[:MOST],
        "principal_shares": principal.shares[:MOST],
    }
    if len(found.prefix_tokens):
        arrays["prefix_tokens"] = found.prefix_tokens
    tables: dict[str, Any] = {name: getattr(found, name) for name in _TABLES}
    return pack(head, arrays | {name: table for name, table in tables.items() if table is not None})


def prefix_names(tokens: TokenGeometry) -> list[str]:
    """Return what the tokens before the first patch are, in their order."""
    registers = [f"register {number + 1}" for number in range(tokens.register_tokens)]
    return ["class"] * tokens.cls_tokens + ["distillation"] * tokens.distillation_tokens + registers
