#!/usr/bin/env bash
# make install puts everything where it belongs, make uninstall takes all of it away, and the man page, the completion and the
# program name the same options.
. "${0%/*}/../tools/script-test.sh"

expect_exit 0 make install "DESTDIR=$scratch/destination" PREFIX=/usr
for file in share/man/man1/orrery.1 share/bash-completion/completions/orrery share/doc/orrery/LICENSE ${orrery:+bin/orrery}; do
    [[ -s $scratch/destination/usr/$file ]] || fail "did not install $file"
done
if [[ -d scenarios ]]; then
    diff -r scenarios "$scratch/destination/usr/share/orrery/scenarios" >"$scratch/out" || fail "scenarios differ: $(head -n 2 "$scratch/out")"
fi
[[ -z $orrery ]] || expect_exit 0 "$scratch/destination/usr/bin/orrery" --help
# What is installed runs from anywhere, with the files that its scenarios name.
if [[ -n $orrery ]]; then
    mkdir "$scratch/anywhere"
    cd "$scratch/anywhere" || exit 1
    expect_exit 0 ../destination/usr/bin/orrery run ../destination/usr/share/orrery/scenarios/live-migration.yaml
    expect_said 'PASS  web moved node1 -> node2'
    expect_exit 0 "$scratch/destination/usr/bin/orrery" run "$scratch/destination/usr/share/orrery/scenarios/live-migration.yaml" --quiet
    # So do the guests that come with it.
    cat >"$scratch/like.yaml" <<'SCENARIO'
nodes: {node1: {memory: 1GiB}}
vms: {quiet: {node: node1, memory: 256MiB, guest: {like: idle}}}
end: {at: 1s}
expect: [quiet.pages-written > 0]
SCENARIO
    expect_exit 0 "$scratch/destination/usr/bin/orrery" run "$scratch/like.yaml"
    mv "$scratch/destination/usr/share/orrery" "$scratch/elsewhere"
    expect_exit 2 "$scratch/destination/usr/bin/orrery" run "$scratch/like.yaml"
    expect_said "the trace of 'idle' does not lie beside the program"
    mv "$scratch/elsewhere" "$scratch/destination/usr/share/orrery"
    rm "$scratch/like.yaml"
    [[ -z $(ls -A) ]] || fail "a run left files: $(ls -A)"
    cd "$root" || exit 1
    rmdir "$scratch/anywhere"
fi
expect_exit 0 make uninstall "DESTDIR=$scratch/destination" PREFIX=/usr
left=$(find "$scratch/destination" -type f)
[[ -z $left ]] || fail "make uninstall left $left"

# Completion: what is offered for the start of a line.
# shellcheck source=/dev/null
. scripts/orrery.bash
offered() { # WORD...
    COMP_WORDS=("$@")
    COMP_CWORD=$(($# - 1))
    _orrery 2>/dev/null
    printf '%s\n' "${COMPREPLY[@]}" | LC_ALL=C sort | tr '\n' ' '
}
shopt -s extglob
cd "$scratch" || exit 1
mkdir folder
touch a.yaml b.orr c.txt
[[ $(offered orrery r) == 'run ' ]] || fail "offers for r: $(offered orrery r)"
[[ $(offered orrery run '') == 'a.yaml b.orr destination folder ' ]] || fail "offers for run: $(offered orrery run '')"
[[ $(offered orrery run a.yaml --pcap '') == 'destination folder ' ]] || fail "offers for --pcap: $(offered orrery run a.yaml --pcap '')"
[[ $(offered orrery check --r) == '--resolved ' ]] || fail "offers for check --r: $(offered orrery check --r)"
[[ $(offered orrery test a.yaml --artifacts '') == 'destination folder ' ]] || fail "offers for --artifacts: $(offered orrery test a.yaml --artifacts '')"
[[ $(offered orrery test '') == 'a.yaml b.orr destination folder ' ]] || fail "offers for test: $(offered orrery test '')"
completed_run=$(offered orrery run -- | tr ' ' '\n' | grep -v -- --help)
completed_test=$(offered orrery test -- | tr ' ' '\n' | grep -v -- --help)
cd "$root" || exit 1

# The man page and the completion know the same options of run and test; and so does the program, once there is one.
for command in run test; do
    documented=$(sed 's/\\-/-/g' docs/orrery.1 | awk -v command="$command" '/^\.S[SH] / { on = $2 == command } on' |
        grep -oE -- '--[a-z-]+' | LC_ALL=C sort -u)
    completed=completed_$command
    [[ $documented == "$(tr -s ' \n' '\n' <<<"${!completed}" | grep .)" ]] ||
        fail "options of $command in the man page: $documented; in the completion: ${!completed}"
    [[ -n $orrery ]] || continue
    printed=$("$orrery" $command --help | grep -oE -- '(^|[ ,])--[a-z-]+' | tr -d ' ,' | grep -vxE -- '--(help|usage|version)' | LC_ALL=C sort -u)
    [[ $printed == "$documented" ]] || fail "options in $command --help: $printed; in the man page: $documented"
done
if type -P man >/dev/null; then
    # man warns of what it cannot lay out.
    complaints=$(LC_ALL=C.UTF-8 MANROFFSEQ='' MANWIDTH=80 man --warnings=w -E UTF-8 -l docs/orrery.1 2>&1 >/dev/null)
    [[ -z $complaints ]] || fail "man: $complaints"
fi
