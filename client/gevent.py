"""gevent: gRPC waits outside Python, where a monkey-patched process stands still unless gRPC has been told."""

import sys
from importlib import import_module

import grpc

from vitscope.client.errors import ClientError


def refuse_unprepared_gevent() -> None:
    """Raise ClientError where gevent has patched threads and gRPC does not know: a stream would hang the process."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is None or not monkey.is_module_patched("threading"):
        return
    if getattr(import_module("grpc._cython.cygrpc"), "g_gevent_activated", True):
        return
    raise ClientError(
        grpc.StatusCode.FAILED_PRECONDITION,
        "gevent has patched this process and gRPC does not know, so that a stream would hang; call "
        "grpc.experimental.gevent.init_gevent() after gevent.monkey.patch_all() and before the first Client",
    )
