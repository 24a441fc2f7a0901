"""Table 2 of the MIL-NCE paper: each of its six parts rerun, with a table and a plot."""
