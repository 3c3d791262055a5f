"""Build an ExplainRequest from an image and keyword options. The server checks the values."""

from collections.abc import Sequence
from typing import Any, Literal, Unpack

from vitscope.client.errors import InvalidRequest
from vitscope.client.fields import enum_value, extend_field, set_field
from vitscope.client.request import ImageLike, image_message
from vitscope.client.rollout import RolloutOptions, patch_message, rollout_message
from vitscope.v1 import explain_pb2, maps_pb2


class ExplainOptions(RolloutOptions, total=False):
    """The keyword options of `explain`; all are optional."""

    parts: Sequence[str]
    """What to return, of "matrices" (the default), "rows" and "columns" of the matrices, "queries", "keys", "values",
    "token_norms", "lens", "rollout" and "updates"."""
    model: str
    """Name of the model; may be omitted when the server has exactly one."""
    version: int
    """Version of the model; 0, the default, is the latest that is ready."""
    layers: Literal["all"] | Sequence[int]
    """Encoder layers, from 0 or, negative, from the last (-1). "all" is the default."""
    heads: Literal["all"] | Sequence[int]
    """Attention heads, from 0. "all" is the default."""
    tokens: Sequence[int]
    """Tokens of rows, columns and rollout, by their index in the sequence. With no `patches` either, the first one."""
    patches: Sequence[tuple[int, int]]
    """Further such tokens, as (row, column) of the patch, from 0 at the top left."""
    lens_classes: Sequence[int]
    """Classes of the lens, by index; by default those of the answer."""
    dtype: str
    """Type of the values on the wire: "float32" (default) or "float16". The result is always float32."""
    top_k: int
    """Number of classes to return; 0, the default, is 5."""
    preprocessed: bool
    """True when the pixels already have the model's input size; see `Options` of `classify`."""


def explain_request(image: ImageLike, **options: Unpack[ExplainOptions]) -> explain_pb2.ExplainRequest:
    """Return the message. Raises InvalidImage and InvalidRequest."""
    if unknown := options.keys() - ExplainOptions.__annotations__.keys() - RolloutOptions.__annotations__.keys():
        raise TypeError(f"explain has no option {sorted(unknown)[0]!r}")
    request = explain_pb2.ExplainRequest(
        image=image_message(image, options.get("preprocessed", False)),
        model=options.get("model", ""),
        parts=[
            enum_value(explain_pb2.ExplainPart, "EXPLAIN_PART", "parts", part)
            for part in _listed("parts", options.get("parts", ("matrices",)))
        ],
        dtype=enum_value(maps_pb2.DataType, "DATA_TYPE", "dtype", options.get("dtype", "float32")),
        rollout=rollout_message(options),
    )
    set_field(request, "version", options.get("version", 0))
    set_field(request, "top_k", options.get("top_k", 0))
    for field in ("layers", "heads"):
        chosen: Any = options.get(field, "all")
        if chosen != "all":
            if not len(_listed(field, chosen)):
                raise InvalidRequest(f'{field}: none; accepted: "all" or at least one number')
            extend_field(request, field, field, chosen)
    extend_field(request, "tokens", "tokens", _listed("tokens", options.get("tokens", ())))
    extend_field(request, "lens_classes", "lens_classes", _listed("lens_classes", options.get("lens_classes", ())))
    request.patches.extend(patch_message("patches", patch) for patch in _listed("patches", options.get("patches", ())))
    return request


def _listed(option: str, values: Any) -> Any:
    """Return a list as it is. Raises InvalidRequest for a text, whose letters would be taken for its items."""
    if isinstance(values, str):
        raise InvalidRequest(f"{option}: {values!r}; accepted: a list")
    return values
