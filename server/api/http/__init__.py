"""Pages over HTTP: metrics, and the probes of orchestrators."""

from vitscope.server.api.http.pages import pages

__all__ = ["pages"]
