"""The TFX components, one folder each, and the plain functions that they run."""

from typing import Any


def __getattr__(name: str) -> Any:
    # The artifact types, see `components.artifacts`; TFX is imported for nothing else here.
    if not name[:1].isupper():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from components import artifacts

    return getattr(artifacts, name)
