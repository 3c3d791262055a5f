"""Descriptions and schemas of what only HTTP has, for the OpenAPI document."""

from typing import Any

Schema = dict[str, Any]


def _list(items: Schema, count: int | None = None) -> Schema:
    return {"type": "array", "items": items} | ({"minItems": count, "maxItems": count} if count else {})


def _object(title: str, text: str, properties: Schema) -> Schema:
    required = list(properties)
    return {"title": title, "type": "object", "description": text, "required": required, "properties": properties}


_TEXT, _WHOLE, _NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}
_ARRAY = _object(
    "Array",
    "Where an array stands among the values.",
    {
        "shape": _list(_WHOLE),
        "dtype": {"type": "string", "enum": ["float32"]},
        "offset": {"type": "integer", "description": "Bytes after the head at which it begins."},
    },
)
_KINDS = ["table", "sine", "rope", "relative"]

EMBED = (
    "Returns how patches become tokens: the convolution, its principal filters, the tokens before the patches, and the "
    "positions."
)
EMBEDDING = _object(
    "Embedding",
    "Arrays of a model, see docs/http.md.",
    {
        "model": _TEXT | {"description": "Name of the model."},
        "version": _WHOLE | {"description": "Version of the model."},
        "digest": _TEXT | {"description": "SHA-256 of the bundle's manifest, and so of all its files."},
        "grid": _list(_WHOLE, 2) | {"description": "Rows and columns of the patches that the convolution gives."},
        "stride": _list(_WHOLE, 2) | {"description": "Pixels between patches, down and across."},
        "padding": _list(_WHOLE, 2) | {"description": "Pixels of zeros around the image, down and across."},
        "prefix": _list(_TEXT) | {"description": "What the tokens before the first patch are."},
        "kinds": {
            "type": ["array", "null"],
            "items": {"type": "string", "enum": _KINDS},
            "description": "What tells patches apart by their place; null for a bundle that does not say.",
        },
        "mean": _list(_NUMBER, 3) | {"description": "Subtracted from pixels, once they are rescaled."},
        "std": _list(_NUMBER, 3) | {"description": "What they are divided by then."},
        "rescale": _NUMBER | {"description": "What pixels are multiplied by first."},
        "arrays": {
            "type": "object",
            "additionalProperties": _ARRAY,
            "description": "By name: kernel [D, 3, h, w], bias [D], principal_filters [up to 28, 3, h, w], "
            "principal_shares of the variance; where the model has them prefix_tokens [prefix, D], positions [n, D], "
            "rope, relative_bias.",
        },
    },
)

LIST = "Lists the photos that a model brings to be shown with."
SAMPLES = _object(
    "Samples",
    "Photos of a model.",
    {
        "samples": _list(
            _object(
                "Sample",
                "A photo.",
                {
                    "name": _TEXT | {"description": "Its name in the path."},
                    "label": {"type": ["string", "null"], "description": "What is on it, where that is known."},
                },
            )
        )
    },
)

SHOW = "Returns one of these photos."
NAME = _TEXT | {"description": "Name of a photo, as in the list."}
