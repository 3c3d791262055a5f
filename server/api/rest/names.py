"""Names of enum values in JSON: MAP_METHOD_ATTENTION is "attention", as in texts of errors and on the command line."""

from functools import lru_cache
from types import MappingProxyType
from typing import Any


@lru_cache(maxsize=64)
def names_of(enum: Any) -> MappingProxyType[int, str]:
    """Return the names of an enum, given by its descriptor, by number; without the value for what is not set."""
    unset = next(value.name for value in enum.values if value.name.endswith("_UNSPECIFIED"))
    prefix = unset.removesuffix("UNSPECIFIED")
    names = {value.number: value.name.removeprefix(prefix).lower() for value in enum.values if value.name != unset}
    return MappingProxyType(names)


@lru_cache(maxsize=64)
def numbers_of(enum: Any) -> MappingProxyType[str, int]:
    """Return the numbers of an enum, given by its descriptor, by name."""
    return MappingProxyType({name: number for number, name in names_of(enum).items()})
