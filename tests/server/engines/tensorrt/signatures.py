"""The signatures that pybind11 writes into docstrings: `name(self: T, a: int, b: int = 0) -> R`, one per overload."""

import re
from collections.abc import Collection


def result(doc: str) -> str:
    """Return the name of the class that a function returns, without its module; empty where the docstring has none."""
    return next((re.split("[.:]", returned)[-1] for _, returned in _signatures(doc) if returned), "")


def mismatch(doc: str, given: int, spread: bool, keywords: Collection[str]) -> str | None:
    """Return why no overload takes `given` positional arguments and these keywords; None where one does.

    spread: whether there are more positional arguments, of unknown number. Returns None where the docstring has no
    signature.
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
    """Return parameters and result of each overload."""
    found = re.findall(r"^(?:\d+\. )?\w+\((.*)\)(?: -> (.+))?$", doc, re.MULTILINE)
    return [(_split(parameters), returned) for parameters, returned in found if parameters != "*args, **kwargs"]


def _split(parameters: str) -> list[str]:
    """Split parameters at the commas outside of brackets."""
    parts, depth = [""], 0
    for letter in parameters:
        depth += (letter in "([{<") - (letter in ")]}>")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]
