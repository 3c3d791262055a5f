"""The request of `explain`."""

from typing import Any

import pytest

from vitscope.client.errors import InvalidRequest
from vitscope.client.internals.request import explain_request
from vitscope.v1 import explain_pb2, image_pb2, maps_pb2

PHOTO = image_pb2.Image(encoded=b"photo")


def test_by_default_every_matrix_in_float32() -> None:
    found = explain_request(b"photo")
    assert found == explain_pb2.ExplainRequest(
        image=PHOTO,
        parts=[explain_pb2.EXPLAIN_PART_MATRICES],
        dtype=maps_pb2.DATA_TYPE_FLOAT32,
        rollout=maps_pb2.RolloutOptions(fusion=maps_pb2.HEAD_FUSION_MEAN),
    )


def test_every_field_has_its_option() -> None:
    found = explain_request(
        b"photo", parts=("rows", "rollout"), model="m", version=2, layers=[-1], heads=(0, 3), tokens=[0],
        patches=[(3, 7)], lens_classes=[1], fusion="min", discard=0.5, from_layer=-2, dtype="float16", top_k=3,
    )  # fmt: skip
    assert found == explain_pb2.ExplainRequest(
        image=PHOTO, model="m", version=2, layers=[-1], heads=[0, 3], tokens=[0], lens_classes=[1], top_k=3,
        parts=[explain_pb2.EXPLAIN_PART_ROWS, explain_pb2.EXPLAIN_PART_ROLLOUT],
        patches=[maps_pb2.Patch(row=3, col=7)],
        rollout=maps_pb2.RolloutOptions(fusion=maps_pb2.HEAD_FUSION_MIN, discard=0.5, from_layer=-2),
        dtype=maps_pb2.DATA_TYPE_FLOAT16,
    )  # fmt: skip
    unset = {field.name for field in found.DESCRIPTOR.fields} - {field.name for field, _ in found.ListFields()}
    assert unset == {"piece_bytes"}  # the server's own size suits every client


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"parts": "matrices"}, "parts: 'matrices'; accepted: a list"),
        ({"parts": ["matrix"]}, "parts: 'matrix'; accepted: matrices, rows, columns, queries"),
        ({"layers": "last"}, "layers: 'last'; accepted: a list"),
        ({"layers": []}, 'layers: none; accepted: "all" or at least one number'),
        ({"heads": [-1]}, r"heads: \[-1\]; accepted: a list of whole number from 0s"),
        ({"patches": [3, 7]}, r"patches: 3; accepted: \(row, column\), whole numbers from 0"),
        ({"patches": [(3, -7)]}, r"patches: \(3, -7\); accepted: \(row, column\)"),
        ({"fusion": "sum"}, "fusion: 'sum'; accepted: mean, max, min"),
        ({"dtype": "int4"}, "dtype: 'int4'; accepted: float32, float16, uint8"),
    ],
)
def test_options_of_a_wrong_kind_are_refused_here(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^INVALID_ARGUMENT: {message}"):
        explain_request(b"photo", **options)


def test_an_unknown_option_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(TypeError, match="explain has no option 'layer'"):
        explain_request(b"photo", layer=3)  # type: ignore[call-arg]
