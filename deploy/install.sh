#!/bin/sh
# The steps of the image, which CI takes without Docker too: `deploy/install.sh requirements|project VENV`.
# `requirements`: every pinned package with its hash, but for those named in $WITHOUT. `project`: this checkout on top.
# Both are compiled to bytecode, so that no process does it at its start.
set -eu

UV_VERSION=0.13.8
tools="${TMPDIR:-/tmp}/cortex-flow-uv-$UV_VERSION"
export UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_NO_CONFIG=1 UV_PYTHON_DOWNLOADS=never

command="$1"
venv="$2"

if [ ! -x "$tools/bin/uv" ]; then
  python3 -m venv "$tools"
  "$tools/bin/pip" install --quiet --disable-pip-version-check "uv==$UV_VERSION"
fi
uv="$tools/bin/uv"

case "$command" in
requirements)
  "$uv" venv --quiet "$venv"
  without="$(mktemp)"
  # shellcheck disable=SC2086 # words are what it is made of
  printf '%s\n' ${WITHOUT-} >"$without"
  "$uv" pip install --quiet --python "$venv" --require-hashes --excludes "$without" -r requirements.lock
  rm "$without"
  ;;
project)
  "$uv" pip install --quiet --python "$venv" --no-deps .
  ;;
*)
  echo "usage: deploy/install.sh requirements|project VENV" >&2
  exit 64
  ;;
esac
