"""Names of the domain and numbers of the protos belong together."""

from typing import get_args

import pytest

from vitscope.server.api.native.enums import Names
from vitscope.server.api.native.requests import _COLOUR_MAPS, _FORMATS, _KINDS, _UPSAMPLINGS, DTYPES, METHODS
from vitscope.server.errors import InvalidRequest
from vitscope.server.maps.methods import METHODS as REGISTRY
from vitscope.server.maps.options import Dtype
from vitscope.server.maps.rendering import ColourMap, Kind, PictureFormat, Upsampling
from vitscope.v1 import maps_pb2


@pytest.mark.parametrize(
    ("names", "accepted"),
    [
        (DTYPES, get_args(Dtype)),
        (_KINDS, get_args(Kind)),
        (_COLOUR_MAPS, get_args(ColourMap)),
        (_FORMATS, get_args(PictureFormat)),
        (_UPSAMPLINGS, get_args(Upsampling)),
        (METHODS, tuple(REGISTRY)),
    ],
)
def test_the_enum_has_the_names_of_the_domain_and_a_default_among_them(names: Names, accepted: tuple[str, ...]) -> None:
    # Without a method, the model's own first one is meant; without colours, the method's own.
    assert names.name("field", 0) == ("" if names in (METHODS, _COLOUR_MAPS) else accepted[0])
    assert [names.name("field", names.number(name)) for name in accepted] == list(accepted)


def test_a_number_that_this_version_does_not_know_is_refused_with_those_that_it_does() -> None:
    names = Names(maps_pb2.PictureFormat, "png")
    with pytest.raises(InvalidRequest, match="format: 9; accepted: PICTURE_FORMAT_UNSPECIFIED = 0, PICTURE_FORMAT_PNG"):
        names.name("format", 9)
