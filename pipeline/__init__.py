"""What runs, in which order, with which settings: presets, pipeline, runners, command line."""
