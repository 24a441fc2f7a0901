"""Annotated sets: their public formats, each in a module with a function `read`."""
