"""What a bundle has beside the model: how patches become tokens, and photos to show it with."""

import asyncio
import json
from collections.abc import Mapping
from http import HTTPStatus

from vitscope.bundle import BundleError, kind_of
from vitscope.server.api.rest.calls import Call, Document, Method, no_fields
from vitscope.server.api.rest.container import CONTENT_TYPE
from vitscope.server.api.rest.embedding import Embeddings
from vitscope.server.api.rest.problems import Refusal
from vitscope.server.errors import NotReady
from vitscope.server.host.version import service_version
from vitscope.server.models.errors import without_folder
from vitscope.server.models.repository import Repository
from vitscope.server.models.served import ServedModel

JSON = "application/json"


class Bundles:
    """Reads the bundles of models. Replies have an ETag: a client that has one is told when nothing has changed."""

    def __init__(self, repository: Repository) -> None:
        self._repository, self._embeddings = repository, Embeddings()

    def methods(self) -> Mapping[str, Method]:
        """Return the methods by name, see `OPERATIONS`."""
        return {"embedding": self.embedding, "samples": self.samples, "sample": self.sample}

    async def embedding(self, call: Call) -> Document:
        """Return how patches become tokens. Raises ServerError."""
        model = self._model(call)
        try:
            made = await self._embeddings.of(model)
        except OSError as error:
            raise NotReady(f"model {model} cannot be read any more ({error.strerror})") from error
        return _unless_known(call, model, Document(made, CONTENT_TYPE, {}))

    async def samples(self, call: Call) -> Document:
        """Return the names and labels of the photos that a bundle brings; an empty list for one without."""
        model = self._model(call)
        listed = [{"name": sample.name, "label": sample.label} for sample in model.bundle.samples]
        return _unless_known(call, model, Document(json.dumps({"samples": listed}).encode(), JSON, {}))

    async def sample(self, call: Call) -> Document:
        """Return one of them. Raises Refusal for a name that is not listed."""
        model, name = self._model(call), call.path["name"]
        listed = {sample.name: sample for sample in model.bundle.samples}
        if name not in listed:
            there = ", ".join(listed) or "none"
            raise Refusal(HTTPStatus.NOT_FOUND, f"model {model} has no sample {name[:100]!r}; there is {there}")
        try:
            data = await asyncio.to_thread(model.bundle.photo, listed[name])
        except BundleError as error:
            raise NotReady(without_folder(error, model.bundle.path)) from error
        return _unless_known(call, model, Document(data, kind_of(data) or "application/octet-stream", {}))

    def _model(self, call: Call) -> ServedModel:
        """Return the model of a path. Raises ModelNotFound, or NotReady while its bundle is not open."""
        no_fields(call)
        return call.model(self._repository)


def _unless_known(call: Call, model: ServedModel, found: Document) -> Document:
    """Return a document with its ETag, or that what the client has is up to date."""
    tag = f"{model.bundle.digest}-{service_version()}"
    headers = {"ETag": f'"{tag}"', "Cache-Control": "no-cache"}
    known = call.request.if_none_match or ()
    if any(each.value in (tag, "*") for each in known):
        return Document(b"", found.kind, headers, HTTPStatus.NOT_MODIFIED)
    return Document(found.body, found.kind, headers)
