"""The registry refuses what a bundle cannot serve."""

import pytest

from tests.server.maps.samples import manifest
from vitscope.bundle import CLASSIFY
from vitscope.server.errors import InvalidRequest
from vitscope.server.maps.methods import METHODS, plan
from vitscope.server.maps.options import MapOptions


def test_a_bundle_without_attention_has_no_maps() -> None:
    with pytest.raises(InvalidRequest, match="without attention; accepted: a request without maps") as refused:
        plan(MapOptions(), manifest((CLASSIFY,), attention=False))
    assert refused.value.field == "maps"


def test_a_method_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(InvalidRequest, match="method: palmistry; accepted: attention"):
        plan(MapOptions(method="palmistry"), manifest())


def test_names_are_those_of_the_methods() -> None:
    assert all(method.name == name for name, method in METHODS.items())
