"""Options of the command line that belong together."""

from collections.abc import Callable, Sequence


def with_options(command: Callable, options: Sequence[Callable[[Callable], Callable]]) -> Callable:
    """Returns a command's function with options added, which its help shows in their order.

    Args:
      command: the function.
      options: each as `click.option` makes it.
    """
    for option in reversed(options):
        command = option(command)
    return command
