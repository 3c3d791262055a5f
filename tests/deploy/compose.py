"""The compose files, read as Compose reads them: variables filled in, one file laid over the other."""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from tests.e2e.harness import ROOT

BASE = ROOT / "docker-compose.yml"
ENVOY = ROOT / "deploy/envoy/compose.yml"

# ${NAME:-value where NAME is empty} and ${NAME:+value where it is not}.
_VARIABLE = re.compile(r"\$\{(\w+):([-+])([^}]*)\}")


class _Reset:
    """`!reset`: what the file below says is dropped."""


class _Loader(yaml.SafeLoader):
    pass


_Loader.add_constructor("!reset", lambda loader, node: _Reset())


def variables() -> set[str]:
    """Every variable that the files take from the shell or from .env, but those that the server is handed as they are."""
    return {name for file in (BASE, ENVOY) for name, *_ in _VARIABLE.findall(file.read_text())}


def compose(envoy: bool = False, **values: str) -> dict[str, Any]:
    """The configuration, with Envoy's file laid over it where asked for."""
    config = _read(BASE.read_text(), values)
    return _laid_over(config, _read(ENVOY.read_text(), values)) if envoy else config


def services(envoy: bool = True, **values: str) -> dict[str, dict[str, Any]]:
    """Every service by name, of every profile."""
    found: dict[str, dict[str, Any]] = compose(envoy, **values)["services"]
    return found


def published(service: Mapping[str, Any]) -> list[tuple[str, int, int]]:
    """Host address, its port and the container's, of each port that is published."""
    ports = [port.rsplit(":", 2) for port in service.get("ports", [])]
    return [(host, int(outer), int(inner)) for host, outer, inner in ports]


def _read(text: str, values: Mapping[str, str]) -> dict[str, Any]:
    def filled(found: re.Match[str]) -> str:
        name, sign, word = found.groups()
        given = values.get(name, "")
        return (word if given else "") if sign == "+" else given or word

    text = _VARIABLE.sub(filled, text)
    assert "${" not in text
    config: dict[str, Any] = yaml.load(text, _Loader)
    return config


def _laid_over(below: Any, above: Any) -> Any:
    """Compose adds lists up; no list is there to be added to."""
    if isinstance(below, dict) and isinstance(above, dict):
        merged = below | {key: _laid_over(below[key], above[key]) if key in below else above[key] for key in above}
        return {key: value for key, value in merged.items() if not isinstance(value, _Reset)}
    assert isinstance(above, str | _Reset), above
    return above
