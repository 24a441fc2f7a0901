"""What the parts of a set are called, from one set of annotations to the next."""

TRAIN, VALIDATION, TEST, UNNAMED = "train", "validation", "test", ""
_NAMES = {
    "": UNNAMED,
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("val", "validate", "validation"), VALIDATION),
    **dict.fromkeys(("test", "testing", "eval"), TEST),
}


def part_of(name: str) -> str | None:
    """Returns a part's name as the project spells it, or None where it is no part's name.

    Args:
      name: the name as a file spells it, such as "testing"; empty where the file says none.
    """
    return _NAMES.get(name.lower())
