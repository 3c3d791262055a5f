"""The signatures that pybind11 writes into docstrings: `name(self: T, a: int, b: int = 0) -> R`, one per overload."""

import re
from collections.abc import Collection


def result(doc: str) -> str:
    """Name of the class that a function returns, without its module; empty where it is not told."""
    return next((re.split("[.:]", returned)[-1] for _, returned in _signatures(doc) if returned), "")


def mismatch(doc: str, given: int, spread: bool, keywords: Collection[str]) -> str | None:
    """Why no overload takes `given` arguments by position, with `spread` an unknown number of them, and these by keyword.

    None where one does, and where no signature is told.
    """
    signatures = [parameters for parameters, _ in _signatures(doc)]
    if not signatures or any(_takes(parameters, given, spread, set(keywords)) for parameters in signatures):
        return None
    accepted = " or ".join(f"({', '.join(parameters)})" for parameters in signatures)
    return f"found {given} arguments and the keywords {sorted(keywords)}; accepted: {accepted}"


def _takes(parameters: list[str], given: int, spread: bool, keywords: set[str]) -> bool:
    names = [re.split("[:=]", parameter)[0].strip() for parameter in parameters]
    required = {name for name, parameter in zip(names, parameters, strict=True) if "=" not in parameter}
    if spread:
        return given <= len(names) and keywords <= set(names)
    return given <= len(names) and keywords <= set(names[given:]) and required & set(names[given:]) <= keywords


def _signatures(doc: str) -> list[tuple[list[str], str]]:
    """Parameters and result of each overload."""
    found = re.findall(r"^(?:\d+\. )?\w+\((.*)\)(?: -> (.+))?$", doc, re.MULTILINE)
    return [(_split(parameters), returned) for parameters, returned in found if parameters != "*args, **kwargs"]


def _split(parameters: str) -> list[str]:
    """At the commas that no bracket encloses."""
    parts, depth = [""], 0
    for letter in parameters:
        depth += (letter in "([{<") - (letter in ")]}>")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]
