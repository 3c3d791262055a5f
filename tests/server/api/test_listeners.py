import socket
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from vitscope.server.api.admin import grpc_service
from vitscope.server.api.health import Health
from vitscope.server.api.listeners import PortTakenError, admin_listener
from vitscope.server.engines.choose import Wanted
from vitscope.server.metrics import Metrics
from vitscope.server.models.control import ModelControl
from vitscope.server.models.loader import EngineSettings
from vitscope.server.models.reconcile import Reconciler
from vitscope.server.models.repository import Repository
from vitscope.server.scheduling.scheduler import Scheduler


def listening(where: str) -> AbstractAsyncContextManager[str]:
    """The admin service of a server without models."""
    settings = EngineSettings(Wanted("auto", "auto", False), threads=1, max_batch=1)
    repository = Repository(Scheduler(), settings, lambda model: None, lambda key, freed: None)
    control = ModelControl(Reconciler(repository, Path()))
    return admin_listener(where, [grpc_service(control, repository)], Health(), Metrics())


async def answers(where: str) -> bool:
    async with aio.insecure_channel(where, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        request = health_pb2.HealthCheckRequest()
        return bool((await health_pb2_grpc.HealthStub(channel).Check(request, timeout=20)).status)


async def test_a_socket_that_another_server_has_stays_its_own(tmp_path: Path) -> None:
    where = f"unix:{tmp_path}/admin"
    async with listening(where):
        with pytest.raises(PortTakenError, match=r"admin_address: unix:.*/admin cannot be listened on .*in use"):
            async with listening(where):
                pass
        assert await answers(where)


async def test_a_socket_that_a_killed_server_left_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(f"{tmp_path}/admin")
        left.listen()
    async with listening(f"unix:{tmp_path}/admin") as where:
        assert await answers(where)


async def test_a_file_in_the_place_of_a_socket_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "admin").write_text("notes")
    with pytest.raises(PortTakenError, match="admin_address"):
        async with listening(f"unix:{tmp_path}/admin"):
            pass
    assert (tmp_path / "admin").read_text() == "notes"
