"""What can be wrong with an export, said so that it can be put right."""


class ExportError(Exception):
    """An expected failure: the message names the option or file, what was found and what is accepted."""
