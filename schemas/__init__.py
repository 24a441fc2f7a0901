"""The records that the pipeline writes and reads, and their schemas."""
