"""The papers' benchmarks: annotations, protocols, and one evaluator for all of them."""
