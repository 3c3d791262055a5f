"""One server and one browser for all tests of the page."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import RunningServer
from tests.explorer.browser import browser


@pytest.fixture(scope="package")
def server(models: Path) -> Iterator[RunningServer]:
    with RunningServer(models) as running:
        yield running


@pytest.fixture(scope="package")
def chromium() -> Iterator[Any]:
    with browser() as running:
        yield running
