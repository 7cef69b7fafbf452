#!/usr/bin/env bash
# tshark finds nothing in captures: nothing at all where a link has no drop, fault or closed window, and elsewhere nothing but what
# loss looks like. (That each retransmission there has its reason is shown by tests/outputs.)
. "${0%/*}/../tools/script-test.sh"
[[ -n $orrery ]] || skip "there is no program"
type -P tshark >/dev/null || skip "needs tshark"

# Guests send bytes that mean nothing: dissectors that go by content, or by a port that is used otherwise here, are left out.
export WIRESHARK_CONFIG_DIR=$scratch/config
mkdir "$WIRESHARK_CONFIG_DIR"
{
    echo http
    tshark -G heuristic-decodes 2>/dev/null | awk -F'\t' '$1 == "tcp" || $1 == "udp" { print $2 }'
} | LC_ALL=C sort -u >"$WIRESHARK_CONFIG_DIR/disabled_protos"

# scenario | options | links that must be clean (the others: TCPCLEAN=0)
while IFS='|' read -r scenario options clean; do
    rm -rf "$scratch/captures"
    # shellcheck disable=SC2086 # words
    "$orrery" run "$scenario" --quiet --pcap "$scratch/captures" $options >"$scratch/out" 2>&1 </dev/null
    [[ ! -s $scratch/out ]] || fail "$scenario: $(head -n 3 "$scratch/out")"
    sound=() lossy=()
    for file in "$scratch"/captures/*.pcap; do
        # shellcheck disable=SC2053 # a pattern
        if [[ ${file##*/} == $clean ]]; then
            sound+=("$file")
        else
            lossy+=("$file")
        fi
    done
    if [[ ${#sound[@]} -gt 0 ]]; then
        expect_exit 0 tests/tools/pcap-check.sh "${sound[@]}"
    elif [[ -n $clean ]]; then
        fail "$scenario: no capture is named $clean"
    fi
    if [[ ${#lossy[@]} -gt 0 ]]; then
        TCPCLEAN=0 expect_exit 0 tests/tools/pcap-check.sh "${lossy[@]}"
        # If nothing shows there, the case is listed in the wrong way.
        code=0
        tests/tools/pcap-check.sh "${lossy[@]}" >"$scratch/out" || code=$?
        [[ $code -ne 0 ]] || fail "$scenario: ${lossy[*]##*/} show no loss"
    fi
done <<'CASES'
scenarios/live-migration.yaml|--pcap-frames 10000|*
tests/golden/ping.yaml||*
tests/golden/there-and-back.yaml|--pcap-frames 4000 --pcap-link node2/*|*
tests/golden/small-migration.yaml|--pcap-until 500ms --pcap-link [bn]o*/lan|*
tests/golden/small-migration.yaml|--pcap-from 1200ms --pcap-frames 2000|@(*-migration|alice-lan).pcap
tests/golden/lossy-link.yaml|--pcap-frames 4000|*-lan.pcap
tests/golden/bulk.yaml|--pcap-frames 3000|
tests/golden/target-hangs.yaml|--pcap-from 1390ms --pcap-frames 2000|alice*
scenarios/link-lost-in-stop-copy.yaml|--pcap-from 12950ms --pcap-frames 4000|*-lan.pcap
scenarios/hundred-megabit.yaml|--pcap-frames 3000 --until 2s --pcap-link node2/*|*
scenarios/sixteen-nodes.yaml|--pcap-frames 2000 --pcap-link node1[56]/migration --until 1s|*
scenarios/bench/tcp-1g-ppp.yaml|--pcap-frames 5000 --until 200ms|*
CASES
