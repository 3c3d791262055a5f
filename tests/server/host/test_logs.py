import json
import subprocess
import sys

import pytest

SCRIPT = """
import logging, structlog
from vitscope.server.host.logs import configure_logging
configure_logging({style!r}, {level!r})
structlog.get_logger().info("graph ready", milliseconds={{1: 2.5}})
try:
    raise KeyError("lost")
except KeyError as error:
    structlog.get_logger().error("internal error", exc_info=error)
    logging.getLogger("grpc._server").warning("library says %s", "hello", exc_info=True)
logging.getLogger("asyncio").debug("noise")
"""


def logged(style: str, level: str) -> list[str]:
    script = SCRIPT.format(style=style, level=level)
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout == ""
    return ended.stderr.splitlines()


def test_every_line_is_json_those_of_libraries_and_tracebacks_too() -> None:
    ready, bug, library = (json.loads(line) for line in logged("json", "info"))
    assert (ready["event"], ready["milliseconds"]) == ("graph ready", {"1": 2.5})
    assert "KeyError: 'lost'" in bug["exception"]
    assert (library["event"], library["logger"], library["level"]) == ("library says hello", "grpc._server", "warning")
    assert "KeyError: 'lost'" in library["exception"]
    assert all(event["timestamp"].endswith("Z") for event in (ready, bug, library))


@pytest.mark.parametrize(("level", "shown"), [("info", True), ("warning", False)])
def test_text_is_for_people_and_respects_the_level(level: str, shown: bool) -> None:
    lines = logged("text", level)
    assert any("graph ready" in line for line in lines) is shown
    assert any("library says hello" in line for line in lines)
    assert "\x1b" not in "".join(lines)  # no colours into a pipe
