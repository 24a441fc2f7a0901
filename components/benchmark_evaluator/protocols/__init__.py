"""How the papers' benchmarks are scored: pure functions over arrays."""
