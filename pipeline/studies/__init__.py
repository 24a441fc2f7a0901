"""The HowTo100M paper's studies, on the features of runs: each writes a table and a plot."""
