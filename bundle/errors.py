"""What can be wrong with a bundle."""


class BundleError(Exception):
    """The bundle cannot be used or written; the message names the file or field, what was found and what is accepted."""
