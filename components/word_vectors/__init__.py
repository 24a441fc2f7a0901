"""Frozen word vectors: trained on the narration, or loaded from a word2vec file."""
