"""The expected failures of evaluation."""


class EvaluateError(Exception):
    """An expected failure. The message names the option or file, what was found and what is accepted."""
