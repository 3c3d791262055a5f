"""Calls a vitscope server from Python, and the `vitscope` command.

    from client import Client

    with Client("localhost:8500") as client:
        result = client.classify("photo.jpg", top_k=3, attention="last")
        print(result.classes[0].label, result.classes[0].probability)
        print(result.maps[0].values.shape)

`AsyncClient` has the same methods for asyncio. The names are loaded when first used, so that `vitscope serve` and
`vitscope export` start without the client's own requirements.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from client.asyncio import AsyncClient
    from client.errors import (
        ClientError,
        DeadlineExceeded,
        InvalidImage,
        InvalidRequest,
        NotFound,
        Overloaded,
        Unavailable,
    )
    from client.request import RenderingOptions
    from client.result import Result
    from client.sync import Client

__all__ = [
    "AsyncClient",
    "Client",
    "ClientError",
    "DeadlineExceeded",
    "InvalidImage",
    "InvalidRequest",
    "NotFound",
    "Overloaded",
    "RenderingOptions",
    "Result",
    "Unavailable",
]

_MODULES = {
    "AsyncClient": "client.asyncio",
    "Client": "client.sync",
    "RenderingOptions": "client.request",
    "Result": "client.result",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'client' has no attribute {name!r}")
    return getattr(import_module(_MODULES.get(name, "client.errors")), name)
