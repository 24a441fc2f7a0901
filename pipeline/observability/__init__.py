"""What a run did, how fast, and where a pushed model came from."""
