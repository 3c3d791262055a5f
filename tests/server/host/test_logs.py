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


FOREIGN = """
import os, sys, warnings, threading
from vitscope.server.host.logs import configure_logging
restore = configure_logging("json", "info", alone=True)
os.write(2, b"TIFFReadDirectory: Warning, Unknown field with tag 1.\\n" + bytes([0xff, 0xfe]) + b"\\n\\n")
os.write(1, b"a library that prints\\n")
warnings.warn("deprecated", UserWarning)
os.write(2, b"x" * 5000 + b"\\n")
os.write(2, b"not ended")
restore()
print("afterwards")
"""


def test_lines_that_libraries_write_by_themselves_are_json_too() -> None:
    ended = subprocess.run([sys.executable, "-c", FOREIGN], capture_output=True, text=True, check=True)
    assert ended.stdout == "afterwards\n"
    events = [json.loads(line) for line in ended.stderr.splitlines()]
    lines = {(event.get("stream"), event.get("line")) for event in events}
    assert ("stderr", "TIFFReadDirectory: Warning, Unknown field with tag 1.") in lines
    assert {("stdout", "a library that prints"), ("stderr", "not ended"), ("stderr", "\\xff\\xfe")} <= lines
    assert any("UserWarning: deprecated" in event["event"] for event in events)
    assert max(len(event.get("line", "")) for event in events) == 2000
    assert {event["level"] for event in events} == {"warning"}


def test_a_flood_of_lines_is_counted() -> None:
    script = FOREIGN.replace('b"not ended"', 'b"again\\n" * 10_000')
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    events = [json.loads(line) for line in ended.stderr.splitlines()]
    assert len(events) < 200


def test_what_is_written_by_a_crash_is_not_lost() -> None:
    script = FOREIGN.replace("restore()", "import ctypes; ctypes.string_at(0)")
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ended.returncode < 0 and "Segmentation fault" in ended.stderr


@pytest.mark.parametrize(("level", "shown"), [("info", True), ("warning", False)])
def test_text_is_for_people_and_respects_the_level(level: str, shown: bool) -> None:
    lines = logged("text", level)
    assert any("graph ready" in line for line in lines) is shown
    assert any("library says hello" in line for line in lines)
    assert "\x1b" not in "".join(lines)  # no colours into a pipe
