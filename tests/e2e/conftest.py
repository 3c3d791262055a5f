from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import RunningServer


@pytest.fixture(scope="session")
def server(models: Path) -> Iterator[RunningServer]:
    """A server of both models, shared by the tests that leave it as they found it."""
    with RunningServer(models) as running:
        yield running
