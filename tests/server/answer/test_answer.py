"""The bound on a reply's bytes holds for whatever a transport makes of it."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.server.images.samples import TOKENS, VIT
from vitscope.server.answer.answer import AnsweredMap, Classification, Result
from vitscope.server.answer.ranking import Ranked
from vitscope.server.api.native.replies import to_response
from vitscope.server.engines.contract import Identity
from vitscope.server.images.geometry import locate
from vitscope.server.maps.encode import encode
from vitscope.server.maps.map import Map, PrefixShares
from vitscope.server.maps.render import Rendered

STAGES = ("receive", "decode", "queue", "batch", "infer", "maps", "total")
number = st.floats(-(2.0**99), 2.0**99, width=32)
classes = st.builds(Ranked, st.integers(0, 2**32 - 1), st.text(max_size=40), number, number)
pictures = st.one_of(
    st.none(), st.binary(max_size=300).map(lambda data: Rendered("image/jpeg", data, 4096, 4096, -1e30, 1e30))
)


@given(st.lists(classes, max_size=30), st.lists(st.tuples(number, pictures), max_size=20), st.data())
def test_no_reply_is_larger_than_its_bound(ranked: list[Ranked], values: list[Any], data: st.DataObject) -> None:
    dtype: Any = data.draw(st.sampled_from(["float32", "float16", "uint8"]))
    maps = []
    for value, picture in values:
        made = Map.of("attention", 2**31, -1, np.full((14, 14), value, np.float32), PrefixShares(1e-9, 1.0, 0.5))
        maps.append(AnsweredMap(made, encode(np.clip(made.values, -6e4, 6e4), dtype), picture))
    geometry = locate((2**20 + 1, 3), 6, None, VIT, TOKENS)
    found = Classification(ranked, maps, geometry, Identity("e" * 40, "1", "bf16", "d"), "computed")
    reply = to_response(Result("m" * 63, 2**32 - 1, found, dict.fromkeys(STAGES, 1e-9), 2**31))
    assert reply.ByteSize() <= found.size()
