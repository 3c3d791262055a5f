"""The expected failures of reading and writing bundles."""


class BundleError(Exception):
    """The bundle cannot be used or written. The message names the file or field, and what is accepted."""
