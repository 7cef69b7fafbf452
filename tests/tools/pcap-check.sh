#!/usr/bin/env bash
# What tshark finds wrong in captures.
#
# usage: tests/tools/pcap-check.sh FILE...     exit 0: nothing found in any
#
# Finds, in each file: malformed or cut frames, wrong checksums (IP, TCP, UDP, ICMP), expert errors, TCP analysis flags; bytes on
# the iSCSI port that its dissector did not take, and SCSI answers without their command; and whatever tshark complains of, for
# a wrong filter or a cut file prints no frame and would pass otherwise. The first five are shown.
#
# TCPCLEAN=0 leaves out the TCP analysis flags, for captures of links with loss, a drop or a fault, where they are right.
set -u
preferences=(-2 -n -o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE -o udp.check_checksum:TRUE -o iscsi.bogus_pdu_max_data_len:16777216)
flagged='_ws.malformed || _ws.short || ip.checksum.status==0 || tcp.checksum.status==0 || udp.checksum.status==0
    || icmp.checksum.status==0 || _ws.expert.severity==0x800000'
if [[ ${TCPCLEAN:-1} == 1 ]]; then
    # A full window and its opening are a receiver's right.
    flagged+=' || (tcp.analysis.flags && !tcp.analysis.window_full && !tcp.analysis.window_update)'
fi
# Each TCP payload byte on port 3260 belongs to a PDU: in this frame, or in one put together from several.
undissected='tcp.port==3260 && tcp.len>0 && !iscsi && !tcp.reassembled_in'
orphans='scsi.lun==0xffff || iscsi.opcode>0x3f'

scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT
bad=0
for file; do
    tshark "${preferences[@]}" -r "$file" -Y "$flagged || ($undissected) || ($orphans)" >"$scratch/found" 2>"$scratch/complaints"
    found=$(wc -l <"$scratch/found")
    errors=$(grep -av 'Running as user' "$scratch/complaints" | grep -ac .)
    echo "$file found=$found tshark_errors=$errors"
    [[ $((found + errors)) -ne 0 ]] || continue
    bad=1
    grep -hav 'Running as user' "$scratch/found" "$scratch/complaints" | head -n 5 | sed 's/^/    /'
done
exit $bad
