#!/bin/sh
# Makes .venv from requirements.lock and installs the project into it.
#
#   tools/setup_venv.sh                  the newest stack that this machine can run
#   PYTHON=/usr/bin/python3.10 tools/setup_venv.sh     the stack of that interpreter
#
# TFX 1.17 and later need a C library of at least 2.38; older systems get TFX 1.16 on Python 3.10.
set -eu
cd "$(dirname "$0")/.."

fail() {
  echo "setup: $*" >&2
  exit 1
}

# Prints the real path of interpreter $1, or nothing. A pyenv shim exists even where its version is not usable.
interpreter() {
  "$1" -c 'import sys; print(sys.executable)' 2>/dev/null || true
}

glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null | awk '{print $2}')
[ -n "$glibc" ] || fail "this is not a Linux with the GNU C library, for which TFX has no wheels"
if [ "$(printf '%s\n2.38\n' "$glibc" | sort -V | head -n 1)" = 2.38 ]; then
  versions="3.13 3.12 3.11 3.10"
else
  versions="3.10"
fi

python=${PYTHON:-}
if [ -n "$python" ]; then
  [ -n "$(interpreter "$python")" ] || fail "PYTHON=$python does not run"
  python=$(interpreter "$python")
else
  for version in $versions; do
    python=$(interpreter "python$version")
    [ -z "$python" ] || break
  done
fi

bootstrap=${python:-$(interpreter python3)}
[ -n "$bootstrap" ] || fail "no python3 found; install CPython with its venv module"
if [ ! -x .uv/bin/uv ]; then
  "$bootstrap" -m venv .uv || fail "$bootstrap has no venv module (on Debian: apt-get install python3-venv)"
  .uv/bin/python -m pip install -q --require-hashes -r requirements-uv.lock
fi
# Without a fitting interpreter on the machine, uv fetches the first version of the list.
[ -n "$python" ] || echo "setup: no Python of $versions found here, so uv fetches one" >&2
.uv/bin/uv venv -q --clear --seed --python "${python:-${versions%% *}}" .venv
# pyfarmhash, a part of TFX, comes as source and is compiled here.
command -v c++ >/dev/null || fail "no C++ compiler found (on Debian: apt-get install g++ python3-dev)"
VIRTUAL_ENV=.venv .uv/bin/uv pip sync -q --require-hashes requirements.lock
VIRTUAL_ENV=.venv .uv/bin/uv pip install -q --no-deps --no-build-isolation -e .
.venv/bin/python -c 'import platform; from importlib.metadata import version as v
print("setup: Python", platform.python_version(), "with TFX", v("tfx"), "and TensorFlow", v("tensorflow"))'
