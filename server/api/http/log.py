"""The log of the HTTP server: what a caller sends is no error of the operator's."""

import logging

from aiohttp.http_exceptions import HttpProcessingError


def http_logger() -> logging.Logger:
    """Return a logger that leaves out requests that cannot be parsed, such as a TLS hello or gRPC on the wrong port.

    Each is answered with 400; aiohttp would log an error with a traceback for it.
    """
    logger = logging.getLogger("vitscope.http")
    if not logger.filters:
        logger.addFilter(_is_about_the_server)
    return logger


def _is_about_the_server(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError)
