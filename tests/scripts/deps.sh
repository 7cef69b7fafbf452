#!/usr/bin/env bash
# scripts/deps.sh names what is missing, asks whom it must, installs once, and does nothing when all is there.
. "${0%/*}/../tools/script-test.sh"

# A system of our own: what is "installed" is a file in $scratch/system, and apt-get and sudo only make such files.
chmod 755 "$scratch"
mkdir -m 777 "$scratch/system"
mkdir "$scratch/bin"
cat >"$scratch/bin/apt-get" <<APT
#!/bin/sh
echo "apt-get \$*, frontend \$DEBIAN_FRONTEND" >>"$scratch/system/calls"
[ "\$1" = install ] || exit 0
for word; do case \$word in -*|install) ;; *) touch "$scratch/system/\$word" ;; esac; done
APT
cat >"$scratch/bin/sudo" <<SUDO
#!/bin/sh
echo sudo >>"$scratch/system/calls"
exec "\$@"
SUDO
cat >"$scratch/table" <<TABLE
# group package proof
run     present  program:sh
run     alpha    file:$scratch/system/al*
run     beta     file:$scratch/system/beta
test    gamma    file:$scratch/system/gamma
other   delta    file:$scratch/system/delta
TABLE
chmod 755 "$scratch/bin/"*
chmod 644 "$scratch/table"
export DEPS_TABLE=$scratch/table PATH=$scratch/bin:$PATH
calls() { cat "$scratch/system/calls" 2>/dev/null; }
forget() { rm -f "$scratch/system/"*; }

# NO_INSTALL only says: the packages, and a command that would bring them.
NO_INSTALL=1 expect_exit 2 scripts/deps.sh run test
expect_said "missing Debian packages: alpha beta gamma"
expect_said "DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends alpha beta gamma"
[[ -z $(calls) ]] || fail "NO_INSTALL=1 called: $(calls)"
NO_INSTALL=1 expect_exit 2 scripts/deps.sh run
expect_said "missing Debian packages: alpha beta"

# It installs what is missing and nothing else, then has nothing to do and starts no other program at all.
touch "$scratch/system/beta"
YES=1 expect_exit 0 scripts/deps.sh run test
calls | grep -q 'apt-get install --yes --no-install-recommends alpha gamma, frontend noninteractive' || fail "installed: $(calls)"
bash=$(type -P bash)
sed -i '/program:sh/d' "$scratch/table"
: >"$scratch/system/calls"
PATH=$scratch/nowhere expect_exit 0 "$bash" scripts/deps.sh run test
expect_silent
[[ -z $(calls) ]] || fail "a second call did: $(calls)"

# Somebody who is not root.
as_user=()
[[ $EUID -ne 0 ]] || as_user=(setpriv --reuid 65534 --clear-groups)
if "${as_user[@]}" true 2>/dev/null; then
    forget
    expect_exit 2 setsid --wait "${as_user[@]}" scripts/deps.sh run
    expect_said "Nobody is there to be asked"
    [[ -z $(calls) ]] || fail "unasked, it called: $(calls)"
    for switch in YES CI; do
        forget
        expect_exit 0 setsid --wait "${as_user[@]}" env $switch=1 scripts/deps.sh run
        calls | grep -q sudo || fail "$switch=1 did not use sudo: $(calls)"
    done
    for answer in n y; do
        forget
        code=0
        echo $answer | script --quiet --return --command "${as_user[*]} scripts/deps.sh run" /dev/null >"$scratch/out" || code=$?
        [[ $answer$code == n2 || $answer$code == y0 ]] || fail "answer $answer: exit $code: $(tail -n 3 "$scratch/out" | tr '\n' '|')"
        expect_said "Install them now? [y/N]"
        [[ $answer == n || -e $scratch/system/alpha ]] || fail "yes did not install"
        [[ $answer == y || -z $(calls) ]] || fail "no called: $(calls)"
    done
fi

# The real table is sound: four words or a comment, known proofs, each package once.
awk '/^#/ || NF == 0 { next }
    NF != 3 || $1 !~ /^(run|test|viz)$/ || $3 !~ /^(header|program|file):./ { print "FAIL deps.txt: " $0 }
    seen[$2]++ { print "FAIL deps.txt: twice " $2 }' scripts/deps.txt
