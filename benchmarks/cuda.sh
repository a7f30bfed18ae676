#!/usr/bin/env bash
# Runs every test and benchmark that waits for a CUDA device, in at most eight minutes, and writes one JSON:
#
#     benchmarks/cuda.sh [--out FILE.json] [--dry]
#
# --dry does the same on the CPU with the smallest sizes, to try the script out. PYTHON names the interpreter.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
exec "${PYTHON:-python3}" benchmarks/cuda.py "$@"
