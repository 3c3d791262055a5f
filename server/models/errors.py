"""Errors of loading a model that are no failures of the model, and what callers are told of errors."""

from pathlib import Path


class LoadAbandoned(Exception):
    """Loading was abandoned: the server stops, or the version is no longer to be served."""


def without_folder(error: Exception, bundle: Path) -> str:
    """Return the text of an error without the path of the models folder.

    Callers may know models and their files, but no paths of the server.
    """
    return str(error).replace(f"{bundle.parent.parent}/", "")
