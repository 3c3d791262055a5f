"""The version of the service."""

from importlib.metadata import PackageNotFoundError, version


def service_version() -> str:
    """Return the version of the installed distribution; "unknown" in a source tree that was never installed."""
    try:
        return version("vitscope")
    except PackageNotFoundError:
        return "unknown"
