#!/usr/bin/env bash
# Builds SecretRef with each of the mistakes in this folder, and runs the tests that are there to
# catch it: a mistake that they do not catch fails this. It has a tree and a build of its own.
#
#   make broken                 # all of them
#   make broken ONLY=sequence   # one
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
work=${CARGO_TARGET_DIR:-$root/target}/broken
tree=$work/tree
export CARGO_TARGET_DIR=$work/target SECRETREF_SOAK_COUNT=${COUNT:-20} RUST_BACKTRACE=0

# What is there now, committed or not.
rm -rf "$tree"
mkdir -p "$tree"
(cd "$root" && git ls-files -z --cached --others --exclude-standard |
    xargs -0 cp --parents --no-dereference --target-directory "$tree")

uncaught=0
for mistake in "$here"/${1:-*}.patch; do
    name=$(basename "$mistake" .patch)
    test=$(sed -n 's/^caught by: //p' "$mistake")
    cd "$tree"
    patch --quiet --strip 1 <"$mistake"
    cargo build --quiet --workspace --bins --tests
    if "$CARGO_TARGET_DIR/debug/with-postgres" cargo nextest run --workspace --no-tests fail \
        --config-file crates/testkit/nextest.toml -E "test(=$test)" >"$work/$name.log" 2>&1; then
        echo "broken: $name is NOT caught by $test" >&2
        uncaught=1
    elif grep -qE 'FAIL|TIMEOUT' "$work/$name.log"; then
        echo "broken: $name is caught by $test:" \
            "$(grep -m 1 -E 'Error: |panicked' "$work/$name.log" | sed 's/^ *//')"
    else
        echo "broken: $name was not tried, see $work/$name.log" >&2
        uncaught=1
    fi
    patch --quiet --strip 1 --reverse <"$mistake"
done
exit "$uncaught"
