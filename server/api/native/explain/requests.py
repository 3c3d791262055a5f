"""From an ExplainRequest to `Ask`."""

from vitscope.server.answer.ask import DEFAULT_TOP_K, Ask, EncodedImage
from vitscope.server.api.native.enums import Names
from vitscope.server.api.native.requests import DTYPES, to_image, to_rollout
from vitscope.server.errors import InvalidRequest
from vitscope.server.maps.internals.options import InternalsOptions
from vitscope.server.maps.tokens import Patch
from vitscope.v1 import explain_pb2

PARTS = Names(explain_pb2.ExplainPart, "unspecified")


def to_ask(request: explain_pb2.ExplainRequest, image: EncodedImage | None = None) -> Ask:
    """Return the `Ask` of a request. image: one that came beside the message, rather than in it.

    Raises InvalidRequest for fields that cannot be translated.
    """
    found = image or to_image(request.image)
    dtype = DTYPES.name("dtype", request.dtype)
    if dtype not in ("float32", "float16"):
        raise InvalidRequest("dtype", dtype, "float32 or float16")
    options = InternalsOptions(
        [PARTS.name("parts", part) for part in request.parts],
        request.layers,
        request.heads,
        [*request.tokens, *(Patch(patch.row, patch.col) for patch in request.patches)],
        request.lens_classes,
        to_rollout(request.rollout),
        dtype,
        request.piece_bytes,
    )
    top_k = request.top_k or DEFAULT_TOP_K
    return Ask(found, len(found.data), request.model, request.version, top_k, internals=options)
