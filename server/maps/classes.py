"""Which classes a map is about: as a caller asks for them, and checked against the labels of a model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vitscope.server.errors import InvalidRequest

Mode = Literal["integrated", "gradient", "direct"]

MOST_EXPLAINED = 10
"""Classes that one request may have explained, beside the one to contrast them with."""

LOWEST_RANK = 100
"""The last rank that a graph can be asked for, where a model has as many classes."""

_LISTED, _QUOTED = 12, 60


@dataclass(frozen=True, slots=True)
class ClassOptions:
    """The classes that a caller asks for; nothing has been checked yet.

    class_indices, class_labels: the classes to explain. top_classes: how many of the most probable ones instead. At
    most one versus_*: the class to contrast them with, by index, label, or rank from 1. mode: empty for the default.
    """

    class_indices: Sequence[int] = ()
    class_labels: Sequence[str] = ()
    top_classes: int = 0
    versus_index: int | None = None
    versus_label: str | None = None
    versus_rank: int | None = None
    mode: Mode | Literal[""] = ""

    def given(self) -> Iterator[tuple[str, str]]:
        """Yield name and value of each option that is set."""
        for name in self.__slots__:
            value = getattr(self, name)
            if value not in ((), [], 0, None, "") or (name.startswith("versus") and value is not None):
                yield name, _quoted(value) if isinstance(value, str) else _shown(value)


def _shown(value: object) -> str:
    """Return numbers and lists of them as they were sent, cut where they are many."""
    text = str(list(value)) if isinstance(value, tuple) else str(value)
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]}…"


NONE = ClassOptions()


@dataclass(frozen=True, slots=True)
class Targets:
    """The classes to explain, as a graph is asked for them: c >= 0 is class c, -r the r-th most probable one.

    versus: the class to contrast them with, of which field of the request; None for none. top: the classes are the most
    probable ones, of which that class is left out.
    """

    classes: tuple[int, ...]
    versus: int | None = None
    versus_field: str = ""
    top: bool = False

    @property
    def columns(self) -> tuple[int, ...]:
        """What the graph is asked for: the class to contrast with comes last."""
        return self.classes if self.versus is None else (*self.classes, self.versus)


def refuse_classes(options: ClassOptions, why: str) -> None:
    """Raise InvalidRequest if a request chooses classes of a method that is about none, or about one that is fixed."""
    for name, value in options.given():
        raise InvalidRequest(name, value, f"none; {why}, and only the method evidence has a choice")


def resolve(options: ClassOptions, labels: Sequence[str]) -> Targets:
    """Return the classes of a model with these labels. Raises InvalidRequest for those that it does not have."""
    classes = _explained(options, labels)
    top = bool(options.top_classes) or classes == (-1,)
    field, versus = _versus(options, labels)
    if versus is None:
        return Targets(classes, top=top)
    if len(labels) < 2:
        raise InvalidRequest(field, "a class to contrast with", "none: this model has only one class")
    if versus in classes and (not top or len(classes) == 1):
        raise same_class(field, versus, labels)
    return Targets(classes, versus, field, top)


def same_class(field: str, versus: int, labels: Sequence[str]) -> InvalidRequest:
    """Return the error of a class that would be contrasted with itself. versus: as in `Targets`."""
    found = f"class {versus}, {_quoted(labels[versus])}," if versus >= 0 else f"rank {-versus}"
    return InvalidRequest(field, f"{found} is the class explained itself", "another class than those explained")


def by_index(columns: Sequence[int], logits: np.ndarray) -> tuple[int, ...]:
    """Return the classes by their indices, those of a rank by their place in falling order of `logits` [C]."""
    order = np.argsort(-logits, kind="stable")
    return tuple(column if column >= 0 else int(order[-column - 1]) for column in columns)


def _explained(options: ClassOptions, labels: Sequence[str]) -> tuple[int, ...]:
    count = len(options.class_indices) + len(options.class_labels)
    field = "class_indices" if options.class_indices else "class_labels"
    most = min(MOST_EXPLAINED, len(labels))
    if options.top_classes:
        if count:
            raise InvalidRequest(
                "top_classes", f"{options.top_classes} beside {field}", "the most probable classes, or named ones"
            )
        if options.top_classes > most:
            raise InvalidRequest("top_classes", f"{options.top_classes}", f"1 to {most}; 0 for the most probable class")
        return tuple(range(-1, -options.top_classes - 1, -1))
    if count > MOST_EXPLAINED:
        raise InvalidRequest(field, f"{count:,} classes", f"at most {MOST_EXPLAINED} a request, class_labels included")
    found: list[int] = []
    named = [
        ("class_indices", str(index), _by_index("class_indices", index, labels)) for index in options.class_indices
    ]
    named += [("class_labels", _quoted(one), _by_label("class_labels", one, labels)) for one in options.class_labels]
    for name, text, index in named:
        if index in found:
            raise InvalidRequest(
                name, f"{text} a second time (class {index}, {_quoted(labels[index])})", "each class once"
            )
        found.append(index)
    return tuple(found) or (-1,)


def _versus(options: ClassOptions, labels: Sequence[str]) -> tuple[str, int | None]:
    if options.versus_index is not None:
        return "versus_index", _by_index("versus_index", options.versus_index, labels)
    if options.versus_label is not None:
        return "versus_label", _by_label("versus_label", options.versus_label, labels)
    if options.versus_rank is not None:
        lowest = min(LOWEST_RANK, len(labels))
        if not 1 <= options.versus_rank <= lowest:
            raise InvalidRequest(
                "versus_rank", str(options.versus_rank), f"1 to {lowest}, 1 being the most probable class"
            )
        return "versus_rank", -options.versus_rank
    return "", None


def _by_index(field: str, index: int, labels: Sequence[str]) -> int:
    if 0 <= index < len(labels):
        return index
    raise InvalidRequest(field, str(index), f"0 to {len(labels) - 1}, the indices of the model's labels")


def _by_label(field: str, label: str, labels: Sequence[str]) -> int:
    found = [index for index, known in enumerate(labels) if known == label]
    if len(found) == 1:
        return found[0]
    by_index = field.replace("label", "indices" if field.startswith("class") else "index").replace(
        "indicess", "indices"
    )
    if found:
        several = " and ".join(map(str, found[:3])) + (" and more" if len(found) > 3 else "")
        raise InvalidRequest(field, f"{_quoted(label)}, which classes {several} are called", f"an index, in {by_index}")
    raise InvalidRequest(field, _quoted(label), _known(label, labels))


def _known(label: str, labels: Sequence[str]) -> str:
    """Say which labels there are: all of a few, of many those that resemble `label`."""
    if len(labels) <= _LISTED:
        return ", ".join(map(_quoted, labels))
    wanted = _plain(label[:_QUOTED])
    similar = [known for known in labels if wanted and wanted in _plain(known)]
    similar.sort(key=len)
    some = ", ".join(map(_quoted, (similar or list(labels))[:3]))
    return f"one of the model's {len(labels):,} labels, exactly, such as {some}"


def _plain(label: str) -> str:
    return "".join(character for character in label.casefold() if character.isalnum())


def _quoted(label: str) -> str:
    """Return a label in quotes, without control characters, and not longer than a line bears."""
    return repr(label if len(label) <= _QUOTED else f"{label[:_QUOTED]}…")
