"""The TFX components, one folder each, and the plain functions that they run."""
