"""The expected failures of an export."""


class ExportError(Exception):
    """An expected failure. The message names the option or file, what was found and what is accepted."""
