"""From videos to the rows of embeddings that the benchmarks score."""
