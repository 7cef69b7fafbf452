#!/usr/bin/env bash
# tests/tools/pcap-check.sh passes a sound capture, and fails each kind of unsound one.
. "${0%/*}/../tools/script-test.sh"

# Two ICMP echo requests or TCP segments, sound but for what the case spoils.
"$PYTHON" - "$scratch" <<'PYTHON'
import struct
import sys

ETHERNET = bytes.fromhex('020000000002' '020000000001' '0800')


def checksum(data):
    total = sum(struct.unpack('>%dH' % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ip(protocol, payload, spoil=0):
    header = struct.pack('>BBHHHBBH4s4s', 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0, b'\x0a\0\0\1', b'\x0a\0\0\2')
    header = header[:10] + struct.pack('>H', checksum(header) ^ spoil) + header[12:]
    return ETHERNET + header + payload


def echo(sequence, spoil=0):
    body = struct.pack('>BBHHH', 8, 0, 0, 1, sequence) + bytes(18)
    return body[:2] + struct.pack('>H', checksum(body) ^ spoil) + body[4:]


def tcp(sequence, data, port=6600):
    header = struct.pack('>HHIIBBHHH', 40000, port, sequence, 1, 0x50, 0x10, 1000, 0, 0)
    pseudo = b'\x0a\0\0\1\x0a\0\0\2' + struct.pack('>BBH', 0, 6, len(header) + len(data))
    total = checksum(pseudo + header + data)
    return header[:16] + struct.pack('>H', total) + header[18:] + data


def capture(name, frames, cut=0):
    out = struct.pack('<IHHiIII', 0xa1b23c4d, 2, 4, 0, 0, 65535, 1)
    for number, frame in enumerate(frames):
        out += struct.pack('<IIII', number, 0, len(frame), len(frame)) + frame
    with open(sys.argv[1] + '/' + name + '.pcap', 'wb') as file:
        file.write(out[:len(out) - cut])


capture('sound', [ip(1, echo(1)), ip(1, echo(2)), ip(6, tcp(1, bytes(100))), ip(6, tcp(101, bytes(100)))])
capture('ip-checksum', [ip(1, echo(1)), ip(1, echo(2), spoil=1)])
capture('icmp-checksum', [ip(1, echo(1)), ip(1, echo(2, spoil=1))])
capture('malformed', [ip(1, echo(1)), ETHERNET + b'\x45\0\0'])
capture('retransmission', [ip(6, tcp(1, bytes(100))), ip(6, tcp(101, bytes(100))), ip(6, tcp(1, bytes(100)))])
capture('undissected', [ip(6, tcp(1, b'\xff' * 100, port=3260))])
capture('cut', [ip(1, echo(1)), ip(1, echo(2))], cut=5)
PYTHON

expect_exit 0 tests/tools/pcap-check.sh "$scratch/sound.pcap"
expect_said 'found=0 tshark_errors=0'
for spoilt in ip-checksum icmp-checksum malformed retransmission undissected cut absent; do
    expect_exit 1 tests/tools/pcap-check.sh "$scratch/$spoilt.pcap"
done
TCPCLEAN=0 expect_exit 0 tests/tools/pcap-check.sh "$scratch/retransmission.pcap"
# One unsound capture among sound ones fails all.
TCPCLEAN=0 expect_exit 1 tests/tools/pcap-check.sh "$scratch/ip-checksum.pcap" "$scratch/sound.pcap"
