from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from vitscope.client.commands.admin import main
from vitscope.v1 import admin_pb2, admin_pb2_grpc

UNREADABLE = "the models folder models cannot be read, or is empty; see the server's log"


class Unable(admin_pb2_grpc.AdminServiceServicer):
    """Answers as a server does whose models folder has gone away."""

    def LoadModel(self, request: admin_pb2.LoadModelRequest, context: Any) -> admin_pb2.LoadModelResponse:
        context.abort(grpc.StatusCode.UNAVAILABLE, UNREADABLE)
        raise AssertionError("abort raises")


def test_what_the_service_itself_answers_is_no_lack_of_an_answer(capsys: pytest.CaptureFixture[str]) -> None:
    server = grpc.server(ThreadPoolExecutor(1))
    admin_pb2_grpc.add_AdminServiceServicer_to_server(Unable(), server)
    where = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        assert main(["load", "fashion", "--server", where]) == 1
    finally:
        server.stop(0).wait()
    assert capsys.readouterr().err == f"vitscope admin: {where}: {UNREADABLE}\n"


def test_an_address_where_nothing_listens_is_told_with_what_may_be_wrong(
    unused_address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["load", "fashion", "--server", unused_address]) == 2
    told = capsys.readouterr().err
    assert f"vitscope admin: {unused_address} does not answer: " in told
    assert "off unless the server is started with --admin-address" in told
