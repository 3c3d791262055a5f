"""The `Admin` class against a real AdminService on a socket."""

import threading
import time
from collections.abc import Callable, Iterator

import grpc
import pytest

from tests.client.admin_servicer import UNREADABLE, AdminServicer, serving_admin
from vitscope import Admin, ClientError, DeadlineExceeded, InvalidRequest, ModelSummary, NotFound, Unavailable

Action = Callable[[Admin, str], object]


@pytest.fixture
def servicer() -> AdminServicer:
    return AdminServicer()


@pytest.fixture
def admin(servicer: AdminServicer) -> Iterator[Admin]:
    with serving_admin(servicer) as address, Admin(address) as admin:
        yield admin


def key(model: ModelSummary) -> tuple[str, int, str]:
    return model.name, model.version, model.state


def test_list_versions(admin: Admin) -> None:
    served, in_folder = admin.list_versions()
    assert (key(served), served.engine) == (("fashion", 1, "ready"), "openvino/bf16")
    assert (key(in_folder), in_folder.state_detail) == (("fashion", 2, "unloaded"), "unloaded by hand")


def test_load_unload_and_reload(admin: Admin, servicer: AdminServicer) -> None:
    assert key(admin.load("fashion")) == ("fashion", 2, "ready")
    assert key(admin.load("fashion", 7)) == ("fashion", 7, "ready")
    assert list(map(key, admin.unload("fashion", 7))) == [("fashion", 7, "unloaded")]
    assert list(map(key, admin.reload("fashion"))) == [("fashion", 1, "ready"), ("fashion", 2, "ready")]
    assert servicer.calls == [("load", "fashion", 0), ("load", "fashion", 7), ("unload", "fashion", 7),
                              ("reload", "fashion", 0)]  # fmt: skip


@pytest.mark.parametrize("action", [Admin.load, Admin.unload, Admin.reload])
def test_errors_are_typed(admin: Admin, action: Action) -> None:
    for name, kind in (("", InvalidRequest), ("none", NotFound), ("broken", ClientError), ("away", Unavailable)):
        with pytest.raises(ClientError) as caught:
            action(admin, name)
        assert type(caught.value) is kind
    assert caught.value.message == UNREADABLE
    with pytest.raises(ClientError, match="changed since the export") as caught:
        action(admin, "broken")
    assert caught.value.code is grpc.StatusCode.FAILED_PRECONDITION


@pytest.mark.parametrize("version", [-1, 2**32])
def test_a_version_out_of_range_is_named(admin: Admin, servicer: AdminServicer, version: int) -> None:
    for call in (admin.load, admin.unload, admin.reload):
        with pytest.raises(InvalidRequest, match=f"version: {version}; accepted: whole number from 0"):
            call("fashion", version)
    assert servicer.calls == []


def test_the_timeout_of_a_call_and_of_the_client() -> None:
    with serving_admin(AdminServicer()) as address, Admin(address, timeout=0.2) as hurried, Admin(address) as admin:
        with pytest.raises(DeadlineExceeded):
            hurried.load("slow")
        with pytest.raises(DeadlineExceeded):
            admin.load("slow", timeout=0.2)


def test_no_server(unused_address: str) -> None:
    with Admin(unused_address) as admin, pytest.raises(Unavailable, match="refused"):
        admin.list_versions()


def test_a_server_without_the_service(server: str) -> None:
    with Admin(server) as admin, pytest.raises(ClientError) as caught:
        admin.list_versions()
    assert caught.value.code is grpc.StatusCode.UNIMPLEMENTED


def test_closing_ends_a_call_of_another_thread(servicer: AdminServicer) -> None:
    errors: list[ClientError] = []

    def load(admin: Admin) -> None:
        try:
            admin.load("slow")
        except ClientError as error:
            errors.append(error)

    with serving_admin(servicer) as address:
        with Admin(address) as admin:
            thread = threading.Thread(target=load, args=(admin,))
            thread.start()
            assert servicer.began.wait(10)
            began = time.monotonic()
        thread.join(10)
        assert time.monotonic() - began < 5
    assert [error.code for error in errors] == [grpc.StatusCode.CANCELLED]
