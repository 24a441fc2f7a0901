"""The embeddings of all clips, for text search."""
