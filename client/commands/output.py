"""Writing results to standard output."""

from rich.console import Console, RenderableType

from vitscope.client.commands.streams import OutputError


class Output:
    """A rich console on standard output. Raises BrokenPipeError for a closed pipe, else OutputError."""

    def __init__(self) -> None:
        self.console = Console(highlight=False, markup=False, emoji=False)

    def print(self, shown: RenderableType, soft_wrap: bool = False) -> None:
        try:
            self.console.print(shown, soft_wrap=soft_wrap)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(error) from error
