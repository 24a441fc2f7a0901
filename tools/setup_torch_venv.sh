#!/bin/sh
# Makes .venv-torch: PyTorch beside the newer TensorFlow of requirements.lock, without TFX. The tests of
# imported checkpoints and the comparison with PyTorch run in it (make test-torch).
#
#   tools/setup_torch_venv.sh
#   PYTHON=/usr/bin/python3.11 tools/setup_torch_venv.sh
#
# pip installs it, so pip's own settings say where from; PyTorch's CPU wheel is enough.
set -eu
cd "$(dirname "$0")/.."

fail() {
  echo "setup-torch: $*" >&2
  exit 1
}

# Prints the real path of interpreter $1, or nothing. A pyenv shim exists even where its version is not usable.
interpreter() {
  "$1" -c 'import sys; sys.version_info[:2] == (3, 11) and print(sys.executable)' 2>/dev/null || true
}

choice=${PYTHON:-python3.11}
python=$(interpreter "$choice")
[ -n "$python" ] || fail "$choice is no Python 3.11 that runs here; install CPython 3.11, or name it with PYTHON=path"
"$python" -m venv --clear .venv-torch ||
  fail "$python has no venv module (on Debian: apt-get install python3-venv)"
# The versions of the lock file, whose hashes would have to name PyTorch's too.
constraints=.venv-torch/constraints.txt
sed -n '/^[a-z]/s/ *\\$//p' requirements.lock >"$constraints"
.venv-torch/bin/pip install -q -c "$constraints" torch==2.13.0 tensorflow==2.21.0 tensorboard \
  'tensorflow-hub>=0.16.1' tf-keras keras gensim numpy click rich psutil pytest 'setuptools<80' wheel
.venv-torch/bin/pip install -q --no-deps --no-build-isolation -e .
.venv-torch/bin/python -c 'import platform; from importlib.metadata import version as v
print("setup-torch: Python", platform.python_version(), "with PyTorch", v("torch"), "and TensorFlow", v("tensorflow"))'
