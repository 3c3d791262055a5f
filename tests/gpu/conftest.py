"""The GPU that the tests run on."""

import pytest

from vitscope.server.engines.cuda import CudaError, Device, devices


@pytest.fixture(scope="session")
def gpu() -> Device:
    """Return the first GPU; skip the test where there is none."""
    try:
        found = devices()
    except (CudaError, ImportError) as error:
        pytest.skip(f"needs a GPU: {error}")
    if not found:
        pytest.skip("needs a GPU: the driver has none")
    return found[0]
