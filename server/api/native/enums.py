"""Enums of the protos as the names of the domain: MAP_METHOD_ATTENTION is "attention"."""

from typing import Any

from vitscope.server.errors import InvalidRequest


class Names:
    """Translates one enum, given as its generated wrapper.

    Names are those of the values without their prefix, in lower case. UNSPECIFIED means `default`.
    """

    def __init__(self, enum: Any, default: str) -> None:
        self._enum = enum
        (prefix,) = (name.removesuffix("UNSPECIFIED") for name, _ in enum.items() if name.endswith("_UNSPECIFIED"))
        self._names = {number: name.removeprefix(prefix).lower() for name, number in enum.items()}
        self._numbers = {name: number for number, name in self._names.items()}
        self._names[enum.Value(f"{prefix}UNSPECIFIED")] = default

    def name(self, field: str, number: int) -> Any:
        """Return the name of a number.

        Raises InvalidRequest for a number that this version does not know: proto3 enums are open.
        """
        if number not in self._names:
            raise InvalidRequest(
                field, str(number), ", ".join(f"{name} = {value}" for name, value in self._enum.items())
            )
        return self._names[number]

    def number(self, name: str) -> Any:
        """Return the number of a name. Raises KeyError for a name that is not in the protos."""
        return self._numbers[name]
