"""The client for the admin service, which loads and unloads models on a server."""

from pathlib import Path
from types import TracebackType
from typing import Self

from vitscope.client.channel import open_channel, route_of
from vitscope.client.errors import typed_errors
from vitscope.client.fields import set_field
from vitscope.client.model import ModelSummary
from vitscope.v1 import admin_pb2, admin_pb2_grpc

DEFAULT_SERVER = "localhost:8502"
DEFAULT_TIMEOUT = 900.0
"""Seconds of a call: building an engine for a GPU takes minutes."""


class Admin:
    """A connection to the admin service of one vitscope server. All methods are thread-safe.

    `server` is the address that the server was given with --admin-address: "host:port" or a gRPC target such as
    "unix:/run/vitscope/admin". `root_certificates` is a PEM file and turns TLS on. `timeout` is the default deadline
    of a call in seconds. Raises InvalidRequest when the address or the file cannot be used; no server is contacted
    before the first call.

    The server carries out calls one after another, and finishes a call whose client has given up. Calls are not
    retried. All methods raise ClientError: InvalidRequest for an empty name or a version out of range, NotFound for a
    model or version that does not exist, Unavailable when no server can be reached or the models folder cannot be
    read, DeadlineExceeded after the timeout, and ClientError itself with code UNIMPLEMENTED when there is no admin
    service at the address.

    Use it as a context manager, or call `close`.
    """

    def __init__(
        self,
        server: str = DEFAULT_SERVER,
        *,
        root_certificates: Path | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        self._channel = open_channel(server, root_certificates)
        self._route = route_of(server)
        self._stub = admin_pb2_grpc.AdminServiceStub(self._channel)
        self._timeout = timeout

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection and give up all calls in flight."""
        self._channel.close()

    def list_versions(self, *, timeout: float | None = None) -> list[ModelSummary]:
        """Return all versions on the server and in its models folder, ordered by name, then version.

        Versions in the folder that are not loaded have the state "unloaded".
        """
        request = admin_pb2.ListVersionsRequest()
        with typed_errors(self._route):
            models = self._stub.ListVersions(request, timeout=self._deadline(timeout)).models
        return list(map(ModelSummary.of, models))

    def load(self, name: str, version: int = 0, *, timeout: float | None = None) -> ModelSummary:
        """Load a version from the models folder, warm it up and return it. Version 0 is the latest in the folder.

        A version that is already served is loaded again only if its files have changed. Raises ClientError with code
        FAILED_PRECONDITION when the version cannot be loaded; one that was served before is still served.
        """
        request = admin_pb2.LoadModelRequest(model=name)
        set_field(request, "version", version)
        with typed_errors(self._route):
            return ModelSummary.of(self._stub.LoadModel(request, timeout=self._deadline(timeout)).model)

    def unload(self, name: str, version: int = 0, *, timeout: float | None = None) -> list[ModelSummary]:
        """Stop serving a version and return what was unloaded, ordered by version.

        Version 0 is all versions of the model. Requests in flight are answered. The server does not load an unloaded
        version again until `load` asks for it or its files change. Where the server keeps fewer versions than there
        are, the next older one is loaded first and takes over.
        """
        request = admin_pb2.UnloadModelRequest(model=name)
        set_field(request, "version", version)
        with typed_errors(self._route):
            models = self._stub.UnloadModel(request, timeout=self._deadline(timeout)).models
        return list(map(ModelSummary.of, models))

    def reload(self, name: str, version: int = 0, *, timeout: float | None = None) -> list[ModelSummary]:
        """Load a version again from its files and return what was loaded, ordered by version.

        Version 0 is all versions of the model that are served. The old one serves until the new one replaces it. Raises
        ClientError with code FAILED_PRECONDITION when a version cannot be loaded; the old one is then still served.
        """
        request = admin_pb2.ReloadModelRequest(model=name)
        set_field(request, "version", version)
        with typed_errors(self._route):
            models = self._stub.ReloadModel(request, timeout=self._deadline(timeout)).models
        return list(map(ModelSummary.of, models))

    def _deadline(self, timeout: float | None) -> float:
        return self._timeout if timeout is None else timeout
