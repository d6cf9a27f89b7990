# shellcheck shell=bash
# Builds the fuzz targets beside everything else, and runs them for a while. To be sourced, with the
# workspace as the working directory and the directory of builds in `target`.
#
#     fuzz_build            on stable Rust, without cargo-fuzz
#     fuzz_targets          prints their names
#     fuzz_run NAME SECONDS replays what it has failed on before, then tries other inputs

# cargo-fuzz compiles every dependency anew, because its flags go to all of them.
fuzz_build() {
    RUSTC_WORKSPACE_WRAPPER=$PWD/scripts/lib/fuzz-rustc \
        cargo build --quiet --locked --package interactions-fuzz --features libfuzzer
}

fuzz_targets() {
    local file
    for file in fuzz/fuzz_targets/*.rs; do
        basename "$file" .rs
    done
}

fuzz_run() {
    local name=$1 seconds=$2 file
    local program=$target/debug/$name artifacts=$target/fuzz/artifacts/$name/ corpus log
    mkdir -p "$artifacts"
    corpus=$(mktemp --directory)
    log=$corpus.log
    local options=(-timeout=5 -rss_limit_mb=1024 "-artifact_prefix=$artifacts") inputs=("fuzz/seeds/$name")
    if [[ -d fuzz/regressions/$name ]]; then
        inputs+=("fuzz/regressions/$name")
        for file in "fuzz/regressions/$name"/*; do
            "$program" "${options[@]}" "$file" &>"$log" || fuzz_failed "$name" "$log" || return
        done
    fi
    if [[ -f fuzz/dictionaries/$name ]]; then
        options+=("-dict=fuzz/dictionaries/$name")
    fi
    # What is found goes to the first of the directories.
    "$program" "${options[@]}" "-max_total_time=$seconds" "$corpus" "${inputs[@]}" &>"$log" ||
        fuzz_failed "$name" "$log" || return
    awk -v name="$name" '
        match($0, /cov: [0-9]+/) { covered = substr($0, RSTART + 5, RLENGTH - 5) }
        /^Done / { printf "%-12s %9d inputs, %5d places covered, %3d s\n", name, $2, covered, $5 }
    ' "$log"
    rm -rf "$corpus" "$log"
}

# Shows how a target ended that should not have, and how to see it again.
fuzz_failed() {
    local name=$1 log=$2 input
    # Without the lines on each new input.
    grep --invert-match '^#[0-9]' "$log" | tail -n 80
    # The path stands at the end of the line.
    input=$(sed -n 's/^.*Test unit written to //p' "$log" | tail -n 1)
    printf '\n%s failed. Again: %s %s\n' "$name" "$target/debug/$name" \
        "${input:-$(sed -n 's/^Running: //p' "$log" | tail -n 1)}"
    echo 'Once it is mended, the input belongs into fuzz/regressions: see fuzz/README.md.'
    return 1
}
