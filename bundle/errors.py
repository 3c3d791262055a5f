"""The expected failures of reading and writing bundles."""


class BundleError(Exception):
    """The bundle cannot be used or written. The message names file or field, what was found and what is accepted."""
