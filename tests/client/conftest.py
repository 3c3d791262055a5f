"""Fixtures of the client tests: a server, photos, and an address without a server."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.client.servicer import Servicer, serving_in_thread


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Serve without faults; yield host:port."""
    with serving_in_thread(Servicer()) as [address]:
        yield address


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with three real images, a broken one and a text file."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "more").mkdir()
    for name, colour in (("one.jpg", "red"), ("two.png", "green"), ("more/three.webp", "blue")):
        Image.new("RGB", (64, 48), colour).save(folder / name)
    (folder / "broken.jpg").write_bytes((folder / "one.jpg").read_bytes()[:40])
    (folder / "notes.txt").write_text("no image")
    return folder


@pytest.fixture
def unused_address(unused_tcp_port_factory: Callable[[], int]) -> str:
    return f"127.0.0.1:{unused_tcp_port_factory()}"
