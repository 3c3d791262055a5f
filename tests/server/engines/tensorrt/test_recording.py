"""The stand-in for TensorRT has only names and arguments that TensorRT has."""

import inspect
from enum import EnumType

import pytest

from tests.server.engines.tensorrt import stubs
from tests.server.engines.tensorrt.recording import MODELLED
from tests.server.engines.tensorrt.signatures import mismatch

pytestmark = pytest.mark.rtx


@pytest.mark.parametrize("version", stubs.VERSIONS)
@pytest.mark.parametrize("modelled", MODELLED)
def test_every_name_is_real_and_every_method_takes_as_many_arguments(version: str, modelled: type) -> None:
    members = stubs.api(version)["members"][modelled.__name__]["members"]
    if isinstance(modelled, EnumType):
        assert modelled.__members__.keys() <= members.keys()
        return
    own = {name: value for name, value in vars(modelled).items() if not name.startswith("_")}
    assert own
    for name, value in own.items():
        if isinstance(value, property):
            assert "settable" in members[name], name
        elif isinstance(value, EnumType):
            assert value.__members__.keys() <= members[name]["members"].keys()
        else:
            arguments = len(inspect.signature(value).parameters)
            assert mismatch(members[name]["doc"], arguments, False, ()) is None, name
