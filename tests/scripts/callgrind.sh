#!/bin/sh
# Instructions per dispatch, which do not depend on how busy the machine is.
#
#   tests/scripts/callgrind.sh [BENCH...]
#
# Every bench runs twice under callgrind, with different numbers of dispatches; the difference counts, so starting
# and stopping the engine does not. Profiles stay in the target directory, for callgrind_annotate.
set -eu
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-target}
few=${FEW:-20000}
many=${MANY:-60000}
[ $# -gt 0 ] || set -- dispatch.1.sequential dispatch.1.inflight256 dispatch.1.many64 dispatch.10.inflight256

cargo build --quiet --release -p dispatch-tests --features compare --bin compare
out=$target/callgrind
mkdir -p "$out"

# Prints how many instructions a number of dispatches took.
instructions() {
    file=$out/$1.$2
    valgrind --tool=callgrind --callgrind-out-file="$file" "$target/release/compare" profile "$1" "$2" >/dev/null 2>"$file.log" || {
        cat "$file.log" >&2
        exit 1
    }
    awk '$1 == "totals:" || $1 == "summary:" { total = $2 } END { print total }' "$file"
}

printf '%-32s %14s\n' bench instructions
for bench in "$@"; do
    low=$(instructions "$bench" "$few")
    high=$(instructions "$bench" "$many")
    printf '%-32s %14s\n' "$bench" $(((high - low) / (many - few)))
done
