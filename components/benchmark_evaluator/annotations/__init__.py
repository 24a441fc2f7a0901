"""What the benchmarks' annotation files say, each format in a module."""
