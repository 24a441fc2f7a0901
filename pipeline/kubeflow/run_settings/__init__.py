"""The first node on a cluster: from a run's parameters to what every other node is told."""
