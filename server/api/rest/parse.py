"""Strict JSON: what one parser takes and another refuses is refused."""

import json
from typing import Any

from vitscope.server.errors import InvalidRequest


def parse_object(field: str, data: bytes) -> dict[str, Any]:
    """Return the JSON object in UTF-8 `data`. Raises InvalidRequest that names `field`."""
    try:
        found = json.loads(data.decode(), object_pairs_hook=_once_each, parse_constant=_no_number)
    except RecursionError:
        raise InvalidRequest(field, "JSON that is nested too deeply", "a JSON object") from None
    except ValueError as error:  # of JSON, of UTF-8, or of what is strict here
        raise InvalidRequest(field, f"no JSON ({error})", "a JSON object in UTF-8") from None
    if not isinstance(found, dict):
        raise InvalidRequest(field, "JSON that is no object", "a JSON object")
    return found


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number in JSON")
