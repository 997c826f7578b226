#!/usr/bin/env bash
# Installs Scaleout's packages of two releases, each into a virtual environment of its own: install_scaleout.sh PYTHON FOLDER
set -euo pipefail
here=$(dirname "$0")

for release in 1.0 1.1; do
  test -x "$2/$release/bin/python" || "$1" -m venv "$2/$release"
  # --no-deps: what 1.1 asks of numpy there is for Python 3.12 and later only, though it runs with older ones.
  "$2/$release/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$here/scaleout-$release.txt"
done
