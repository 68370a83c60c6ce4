"""IPv4 packets: those that scripts send, and what is read of those that come out."""

import collections
import socket
import struct

ICMP, IPIP, TCP, UDP = 1, 4, 6, 17
FIN, SYN, RST, ACK = 1, 2, 4, 16
# The flags of a segment, by its letter in a script; capitals are the real server's.
FLAGS = {"a": ACK, "f": FIN | ACK, "r": RST, "s": SYN, "y": SYN | ACK, "n": 0, "d": 0,
         "A": ACK, "F": FIN | ACK, "R": RST, "S": SYN | ACK, "Y": SYN, "N": 0, "D": 0}
DONT_FRAGMENT = 0x4000

# What an IPv4 header says besides its addresses.
Header = collections.namedtuple("Header", "tos ttl fragment", defaults=(0, 64, 0))
# `outer` is that of the tunnel, an IPv4 header before an IPv4 packet; then `to` is its destination.
Packet = collections.namedtuple(
    "Packet", "proto src sport dst dport flags header length to outer", defaults=(None, None))


def sum16(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(proto, src, dst, payload, header=Header()):
    ends = socket.inet_aton(src) + socket.inet_aton(dst)
    ip = struct.pack("!BBHHHBBH", 0x45, header.tos, 20 + len(payload), 1, header.fragment,
                     header.ttl, proto, 0) + ends
    return ip[:10] + struct.pack("!H", sum16(ip)) + ip[12:] + payload


def summed(proto, src, dst, segment, at):
    """`segment` with its checksum, which is `at` bytes from its beginning."""
    ends = socket.inet_aton(src) + socket.inet_aton(dst)
    check = sum16(ends + struct.pack("!HH", proto, len(segment)) + segment)
    return segment[:at] + struct.pack("!H", check) + segment[at + 2:]


def segment(src, sport, dst, dport, flags, header=Header()):
    """A TCP segment without data, as an IPv4 packet."""
    head = struct.pack("!HHIIBBHHH", sport, dport, 1000, 1000, 5 << 4, flags, 65535, 0, 0)
    return ipv4(TCP, src, dst, summed(TCP, src, dst, head, 16), header)


def datagram(src, sport, dst, dport, length, header=Header()):
    """A UDP datagram with `length` bytes of data, as an IPv4 packet."""
    whole = struct.pack("!HHHH", sport, dport, 8 + length, 0) + bytes(length)
    return ipv4(UDP, src, dst, summed(UDP, src, dst, whole, 6), header)


def parse(data):
    proto, src, dst = data[9], socket.inet_ntoa(data[12:16]), socket.inet_ntoa(data[16:20])
    header = Header(data[1], data[8], struct.unpack("!H", data[6:8])[0])
    if proto == IPIP:
        return parse(data[20:])._replace(to=dst, outer=header)
    if proto == ICMP:
        return Packet(ICMP, src, data[20], dst, data[21], 0, header, len(data))
    sport, dport = struct.unpack("!HH", data[20:24])
    flags = data[33] if proto == TCP else 0
    return Packet(proto, src, sport, dst, dport, flags, header, len(data))
