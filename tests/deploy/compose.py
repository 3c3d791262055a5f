"""The compose files as Compose reads them: variables filled in, one file merged into the other."""

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
    """`!reset`: drops the value of the file below."""


class _Loader(yaml.SafeLoader):
    pass


_Loader.add_constructor("!reset", lambda loader, node: _Reset())


def variables() -> set[str]:
    """Return the variables of the shell or of .env in the files, without those that are passed on to the server."""
    return {name for file in (BASE, ENVOY) for name, *_ in _VARIABLE.findall(file.read_text())}


def compose(envoy: bool = False, **values: str) -> dict[str, Any]:
    """Return the configuration, with Envoy's file merged into it if `envoy`."""
    config = _read(BASE.read_text(), values)
    return _merged(config, _read(ENVOY.read_text(), values)) if envoy else config


def services(envoy: bool = True, **values: str) -> dict[str, dict[str, Any]]:
    """Return all services of all profiles by name."""
    found: dict[str, dict[str, Any]] = compose(envoy, **values)["services"]
    return found


def published(service: Mapping[str, Any]) -> list[tuple[str, int, int]]:
    """Return host address, host port and container port of each published port."""
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


def _merged(below: Any, above: Any) -> Any:
    """Merge two documents. Compose concatenates lists; there are none to concatenate here."""
    if isinstance(below, dict) and isinstance(above, dict):
        merged = below | {key: _merged(below[key], above[key]) if key in below else above[key] for key in above}
        return {key: value for key, value in merged.items() if not isinstance(value, _Reset)}
    assert isinstance(above, str | _Reset), above
    return above
