"""Errors of loading a model that are no failures of the model."""


class LoadAbandoned(Exception):
    """Loading was abandoned: the server stops, or the version is no longer to be served."""
