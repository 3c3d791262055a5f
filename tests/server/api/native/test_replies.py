"""Answers to messages: every value arrives under its name."""

import numpy as np
import pytest

from tests.server.images.samples import TOKENS, VIT
from vitscope.server.answer.answer import AnsweredMap, Classification, Result
from vitscope.server.answer.ranking import Ranked
from vitscope.server.api.native.replies import to_response
from vitscope.server.engines.contract import Identity
from vitscope.server.images.geometry import locate
from vitscope.server.maps.encode import encode
from vitscope.server.maps.map import Map, PrefixShares
from vitscope.server.maps.render import Rendered
from vitscope.v1 import image_pb2, maps_pb2, timing_pb2

DURATIONS = {"receive": 0.1, "decode": 0.2, "queue": 0.3, "batch": 0.4, "infer": 0.5, "maps": 0.6, "total": 2.1}


def test_a_whole_reply() -> None:
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    answered = AnsweredMap(
        Map.of("attention", 4, -1, values, PrefixShares(0.1, 0.2, 0.3)),
        encode(values, "uint8"),
        Rendered("image/png", b"picture", 30, 20, 0.0, 5.0),
    )
    geometry = locate((640, 480), 6, None, VIT, TOKENS)
    found = Classification(
        [Ranked(7, "cat", 0.75, 2.5)], [answered], geometry, Identity("openvino", "1", "bf16", "cpu"), "shared"
    )
    reply = to_response(Result("m", 3, found, DURATIONS, 8))
    assert (reply.model, reply.version) == ("m", 3)
    (ranked,), (item,) = reply.classes, reply.maps
    assert (ranked.index, ranked.label, ranked.probability, ranked.logit) == (7, "cat", 0.75, 2.5)
    assert (item.method, item.layer, item.head) == (maps_pb2.MAP_METHOD_ATTENTION, 4, -1)
    assert (item.rows, item.cols, item.dtype) == (2, 3, maps_pb2.DATA_TYPE_UINT8)
    assert np.frombuffer(item.values, np.uint8) * item.scale + item.offset == pytest.approx(values.ravel(), abs=0.01)
    assert (item.stats.min, item.stats.max, item.stats.sum) == (0, 5, 15)
    assert (item.prefix.cls, item.prefix.distillation, item.prefix.registers) == pytest.approx((0.1, 0.2, 0.3))
    assert (item.rendering.media_type, item.rendering.data) == ("image/png", b"picture")
    assert (item.rendering.width, item.rendering.height, item.rendering.value_max) == (30, 20, 5)
    assert (reply.geometry.image_width, reply.geometry.exif_orientation) == (640, 6)
    assert reply.geometry.resize_mode == image_pb2.RESIZE_MODE_NONE
    assert reply.timing.engine == "openvino/bf16"
    assert reply.timing.origin == timing_pb2.ORIGIN_SHARED
    assert reply.timing.batch_size == 8
    assert {stage: getattr(reply.timing, f"{stage}_seconds") for stage in DURATIONS} == pytest.approx(DURATIONS)


def test_without_maps_there_are_none() -> None:
    geometry = locate((640, 480), 1, None, VIT, TOKENS)
    found = Classification([], [], geometry, Identity("e", "1", "f32", "cpu"), "computed")
    assert not to_response(Result("m", 1, found, DURATIONS, 1)).maps
