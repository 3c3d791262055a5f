"""Servers added under one DNS name: a real name server, real servers that close connections after a while."""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from concurrent import futures

import grpc
import pytest

from vitscope import Client
from vitscope.v1 import classifier_pb2, classifier_pb2_grpc, model_pb2

FIRST, ADDED = "127.0.0.2", "127.0.0.3"


@pytest.fixture
def addresses() -> list[str]:
    return [FIRST]


@pytest.fixture
def name_server(addresses: list[str]) -> Iterator[str]:
    """Answer every question for A records with `addresses`; yield host:port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                try:
                    query, peer = listener.recvfrom(512)
                except OSError:
                    return
                if not query:
                    return
                end = 12
                while query[end]:
                    end += query[end] + 1
                (kind,) = struct.unpack(">H", query[end + 1 : end + 3])
                found = addresses if kind == 1 else []
                head = query[:2] + struct.pack(">HHHHH", 0x8180, 1, len(found), 0, 0) + query[12 : end + 5]
                records = [b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 1, 4) + socket.inet_aton(one) for one in found]
                listener.sendto(head + b"".join(records), peer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", listener.getsockname())
        thread.join(10)


class Servicer(classifier_pb2_grpc.ClassifierServiceServicer):
    """Lists one model, named after the server's address."""

    def __init__(self, name: str) -> None:
        self._name = name

    def ListModels(self, request: object, context: object) -> classifier_pb2.ListModelsResponse:
        return classifier_pb2.ListModelsResponse(models=[model_pb2.ModelSummary(name=self._name)])


def serve(host: str, port: int) -> tuple[grpc.Server, int]:
    server = grpc.server(futures.ThreadPoolExecutor(2), options=[("grpc.max_connection_age_ms", 500)])
    classifier_pb2_grpc.add_ClassifierServiceServicer_to_server(Servicer(host), server)
    port = server.add_insecure_port(f"{host}:{port}")
    server.start()
    return server, port


def test_a_server_added_under_the_name_gets_calls_when_connections_end(addresses: list[str], name_server: str) -> None:
    first, port = serve(FIRST, 0)
    second, _ = serve(ADDED, port)
    try:
        with Client(f"dns://{name_server}/models.test:{port}") as client:
            assert client.list_models()[0].name == FIRST
            addresses.append(ADDED)
            deadline = time.monotonic() + 20  # gRPC's own 30 s between two lookups would be too long
            while client.list_models()[0].name != ADDED:
                assert time.monotonic() < deadline
                time.sleep(0.02)
    finally:
        first.stop(None)
        second.stop(None)
