"""Subtitles of every common format, read as clean captions."""
