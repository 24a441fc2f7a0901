"""Runs pytest on the files named as arguments: the main program of every py_test target."""

import os
import sys

import pytest

if __name__ == "__main__":
    # Matplotlib warns of a home folder that cannot be written to, as in the sandbox of Bazel.
    if folder := os.environ.get("TEST_TMPDIR"):
        os.environ["MPLCONFIGDIR"] = folder
    sys.exit(pytest.main(["-p", "no:cacheprovider", *sys.argv[1:]]))
