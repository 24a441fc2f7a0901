"""Where models are pushed to, and the command that serves them from there."""
