"""The dashboard's file and its panels."""

import json
from collections.abc import Iterator
from typing import Any

from deploy.grafana import page

Json = dict[str, Any]


def kept() -> Json:
    found: Json = json.loads(page.FILE.read_text())
    return found


def panels(dashboard: Json) -> Iterator[Json]:
    """Yield all panels but the headings, also those of collapsed rows."""
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            yield from panel["panels"]
        else:
            yield panel


PANELS = {panel["title"]: panel for panel in panels(kept())}
