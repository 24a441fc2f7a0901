"""The command that serves a hub folder."""
