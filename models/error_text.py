"""What is said of an error that somebody else's code raised."""


def first_line(error: BaseException) -> str:
    """Returns the first line of an error's message, or its type where it has none.

    Args:
      error: any error.
    """
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
