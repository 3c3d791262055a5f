"""Structured logs: JSON lines, or readable text on a terminal."""

import logging
import sys
from collections.abc import Callable
from typing import TextIO, cast

import structlog

from vitscope.server.host.foreign import Diverted
from vitscope.server.host.log_output import LogOutput


def configure_logging(style: str, level: str, alone: bool = False) -> Callable[[], None]:
    """Send the server's own events to standard error. `style` is "json", "text" or "auto" (text on a terminal).

    alone: the process is the server's own, so that with JSON also what libraries write to standard error and standard
    output by themselves becomes events, until the function that is returned is called.
    """
    terminal = sys.stderr is not None and sys.stderr.isatty()
    text = style == "text" or (style == "auto" and terminal)
    diverted = [] if text or not alone else _diverted()
    lines = LogOutput(diverted[0].output if diverted else sys.stderr)
    output = cast("TextIO", lines)  # of which loggers use `write` and `flush`
    renderers: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer(colors=terminal)]
        if text
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, *renderers],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(output),
        cache_logger_on_first_use=False,
    )
    # Libraries use the standard logger; their warnings and errors are shown in the same form.
    handler = logging.StreamHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(True)

    def restore() -> None:
        for one in diverted:
            one.restore()

    return restore


def _diverted() -> list[Diverted]:
    """Divert standard error and then standard output; nothing where one of them is closed."""
    try:
        return [Diverted(descriptor, _foreign_line) for descriptor in (2, 1)]
    except OSError:
        return []


def _foreign_line(stream: str, line: str) -> None:
    """Log a line that a library wrote. A warning, whatever it says: most are about what a caller sent."""
    structlog.get_logger().warning("line of a library", stream=stream, line=line)
