#!/usr/bin/env bash
# The pages and schemas that the program prints from the very tables it works by, and the output that other pages show: a block of
# code behind a line "<!-- made by: orrery ARGUMENTS -->" is what that command prints.
#
# usage: scripts/docs.sh write    rewrite them
#        scripts/docs.sh check    say which are not what build/orrery would print now; ends with "N passed, N failed"
set -u
cd "${BASH_SOURCE[0]%/*}/.." || exit 2
orrery=${ORRERY:-build/orrery}

# file                             arguments of orrery
pages='
docs/scenario.md                   docs scenario
docs/metrics.md                    docs metrics
docs/orrery.schema.json            docs scenario-schema
docs/report.schema.json            docs report-schema
'

# Pages that show output.
shown='README.md docs/guide.md docs/describe-your-vm.md docs/lessons.md'

# Prints a page with each such block as it would be now.
remake_page() { # PAGE
    local line arguments
    while IFS= read -r line; do
        printf '%s\n' "$line"
        [[ $line =~ ^'<!-- made by: orrery '(.*)' -->'$ ]] || continue
        arguments=${BASH_REMATCH[1]}
        IFS= read -r line && printf '%s\n' "$line" # the opening fence
        eval "\"$orrery\" $arguments" 2>&1 </dev/null
        while IFS= read -r line && [[ $line != '```' ]]; do :; done
        printf '```\n'
    done <"$1"
}

if [[ ! -x $orrery ]]; then
    echo "SKIP docs: $orrery is not there"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT
passed=0 failed=0
while read -r page arguments; do
    [[ -n $page ]] || continue
    # shellcheck disable=SC2086 # several arguments
    if ! "$orrery" $arguments >"$scratch/page" 2>"$scratch/stderr" </dev/null; then
        echo "FAIL $page: orrery $arguments: $(head -n 1 "$scratch/stderr")"
        failed=$((failed + 1))
    elif [[ ${1:-} == write ]]; then
        mkdir -p "${page%/*}"
        cmp -s "$scratch/page" "$page" || cp "$scratch/page" "$page"
    elif cmp -s "$scratch/page" "$page"; then
        passed=$((passed + 1))
    else
        echo "FAIL $page: not current; make docs rewrites it"
        failed=$((failed + 1))
    fi
done <<<"$pages"
for page in $shown; do
    [[ -e $page ]] || continue
    remake_page "$page" >"$scratch/page"
    if cmp -s "$scratch/page" "$page"; then
        passed=$((passed + 1))
    elif [[ ${1:-} == write ]]; then
        cp "$scratch/page" "$page"
    else
        echo "FAIL $page: shows what a command no longer prints; make docs rewrites it"
        failed=$((failed + 1))
    fi
done
[[ ${1:-} == write ]] || echo "$passed passed, $failed failed"
[[ $failed -eq 0 ]]
