#!/usr/bin/env bash
# Says which Debian packages are missing, with the exact command, and installs them.
#
# usage: scripts/deps.sh GROUP...      groups: run, test, viz (scripts/deps.txt)
#
# Root installs at once; anybody else is asked first, and sudo is used. YES=1 or CI=1 does not ask. NO_INSTALL=1 only says.
# The group viz belongs to run as soon as there is something in viz/ to build, unless VIZ=0.
# Exit: 0 all present; 2 something is missing and was not installed.
#
# When nothing is missing no other program is started, so that calling it before every build costs nothing.
set -u
shopt -s nullglob
cd "${BASH_SOURCE[0]%/*}/.." || exit 2
table=${DEPS_TABLE:-scripts/deps.txt}
header_dirs=(/usr/local/include /usr/include /usr/include/*-linux-gnu*)

is_present() { # PROOF
    local kind=${1%%:*} name=${1#*:} dir matches
    case $kind in
    program) type -P "$name" >/dev/null ;;
    header)
        for dir in "${header_dirs[@]}"; do
            [[ -e $dir/$name ]] && return 0
        done
        return 1
        ;;
    file)
        # shellcheck disable=SC2206 # the proof is a pattern
        matches=($name)
        [[ ${#matches[@]} -gt 0 && -e ${matches[0]} ]]
        ;;
    *)
        echo "$table: unknown proof $1" >&2
        exit 2
        ;;
    esac
}

groups=" $* "
viz_sources=(viz/*.c)
if [[ $groups == *" run "* && ${#viz_sources[@]} -gt 0 && ${VIZ:-1} != 0 ]]; then
    groups+="viz "
fi
missing=()
while read -r group package proof; do
    if [[ -n $group && $group != '#'* && $groups == *" $group "* ]] && ! is_present "$proof"; then
        missing+=("$package")
    fi
done <"$table"
[[ ${#missing[@]} -gt 0 ]] || exit 0

as_root=()
[[ $EUID -eq 0 ]] || as_root=(sudo)
# tshark's package would ask whether others than root may capture; its answer "no" is the right one here.
install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "${missing[@]}")

echo "missing Debian packages: ${missing[*]}"
echo "  ${install[*]}"
[[ -z ${NO_INSTALL:-} || $NO_INSTALL == 0 ]] || exit 2
if ! type -P apt-get >/dev/null; then
    echo "There is no apt-get here: install what these packages hold in your system's own way." >&2
    exit 2
fi
if [[ $EUID -ne 0 ]] && ! type -P sudo >/dev/null; then
    echo "There is no sudo here: run the command above as root." >&2
    exit 2
fi
if [[ $EUID -ne 0 && ${YES:-0} != 1 && -z ${CI:-} ]]; then
    # Under make -j standard input may be closed, so the answer is read from the terminal itself.
    if ! { printf 'Install them now? [y/N] ' >/dev/tty && read -r answer </dev/tty; } 2>/dev/null; then
        echo "Nobody is there to be asked: run it with YES=1, or run the command above." >&2
        exit 2
    fi
    [[ $answer == [yY]* ]] || exit 2
fi

lists=(/var/lib/apt/lists/*_Packages*)
if [[ ${#lists[@]} -eq 0 ]]; then
    "${as_root[@]}" apt-get update || exit 2
    "${install[@]}" || exit 2
elif ! "${install[@]}"; then
    # Old lists name versions that the mirror no longer has.
    "${as_root[@]}" apt-get update && "${install[@]}" || exit 2
fi
