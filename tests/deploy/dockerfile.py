"""A parser of the Dockerfile."""

import re
import shlex
from dataclasses import dataclass

from tests.e2e.harness import ROOT

DOCKERFILE = ROOT / "Dockerfile"


@dataclass(frozen=True)
class Step:
    """One instruction: its name (COPY), its flags (--from=…) and the rest of the line."""

    name: str
    flags: tuple[str, ...]
    value: str


@dataclass(frozen=True)
class Stage:
    base: str
    steps: tuple[Step, ...]


def stages() -> dict[str, Stage]:
    """Return the stages of the Dockerfile by name, in order."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    found: dict[str, Stage] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, _, rest = line.partition(" ")
        if name == "FROM":
            base, stage = rest.split(" AS ")
            found[stage] = Stage(base, ())
        elif found:
            parts = re.fullmatch(r"((?:--\S+\s+)*)(.*)", rest.strip())
            assert parts is not None
            step = Step(name, tuple(parts[1].split()), parts[2])
            found[stage] = Stage(found[stage].base, (*found[stage].steps, step))
    return found


def image(target: str) -> list[Step]:
    """Return all steps that make the image of a target, those of its bases first."""
    known = stages()
    stage = known.get(target)
    return [*image(stage.base), *stage.steps] if stage else []


def last(target: str, name: str) -> Step:
    return [step for step in image(target) if step.name == name][-1]


def environment(target: str) -> dict[str, str]:
    words = [word for step in image(target) if step.name == "ENV" for word in shlex.split(step.value)]
    return dict(word.split("=", 1) for word in words)
