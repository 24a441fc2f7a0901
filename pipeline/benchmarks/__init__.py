"""The commands of the papers' benchmarks."""
