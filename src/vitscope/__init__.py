"""Serve fine-tuned Vision Transformers over gRPC, and show what the model looked at.

    from vitscope import Client

    with Client("localhost:8500") as client:
        result = client.classify("photo.jpg", top_k=3, attention="last")
        print(result.classes[0].label, result.classes[0].probability)
        print(result.maps[0].values.shape)

`AsyncClient` has the same methods for asyncio; `Admin` loads and unloads the models of a server. Each stage is a
package: `vitscope.finetune`, `vitscope.export`, `vitscope.bundle`, `vitscope.server`, `vitscope.client` and
`vitscope.loadtest`. `vitscope.v1` holds the stubs of the protos. The names below are imported on first use (PEP 562),
so that `import vitscope` loads neither grpc nor torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vitscope.bundle import Bundle, BundleError, open_bundle
    from vitscope.client.admin import Admin
    from vitscope.client.asyncio import AsyncClient
    from vitscope.client.errors import (
        ClientError,
        DeadlineExceeded,
        InvalidImage,
        InvalidRequest,
        NotFound,
        Overloaded,
        Unavailable,
    )
    from vitscope.client.evidence import When
    from vitscope.client.internals.result import Explained
    from vitscope.client.model import Model, ModelSummary
    from vitscope.client.request import RenderingOptions
    from vitscope.client.result import Result
    from vitscope.client.sync import Client

__all__ = [
    "Admin",
    "AsyncClient",
    "Bundle",
    "BundleError",
    "Client",
    "ClientError",
    "DeadlineExceeded",
    "Explained",
    "InvalidImage",
    "InvalidRequest",
    "Model",
    "ModelSummary",
    "NotFound",
    "Overloaded",
    "RenderingOptions",
    "Result",
    "Unavailable",
    "When",
    "open_bundle",
]

_MODULES = {
    "Admin": "vitscope.client.admin",
    "AsyncClient": "vitscope.client.asyncio",
    "Bundle": "vitscope.bundle",
    "BundleError": "vitscope.bundle",
    "Client": "vitscope.client.sync",
    "Explained": "vitscope.client.internals.result",
    "Model": "vitscope.client.model",
    "ModelSummary": "vitscope.client.model",
    "RenderingOptions": "vitscope.client.request",
    "Result": "vitscope.client.result",
    "When": "vitscope.client.evidence",
    "open_bundle": "vitscope.bundle",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'vitscope' has no attribute {name!r}")
    return getattr(import_module(_MODULES.get(name, "vitscope.client.errors")), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
