"""The IPVS of the kernel this runs in: its services by socket options, its packets by a TUN device."""

import collections
import fcntl
import os
import select
import socket
import struct
import subprocess
import time

VIP = "203.0.113.1"
# linux/ip_vs.h
SET_ADD, SET_DELETE, SET_ADD_DEST, SET_DELETE_DEST, SET_EDIT_DEST = 1154, 1156, 1159, 1160, 1161
FLAG_1, FLAG_2 = 0x8, 0x10  # IP_VS_SVC_F_SCHED1 and 2: fallback and port of sh and mh
# linux/if_tun.h
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x1, 0x1000
# How much time a packet takes, in seconds: two ticks of the kernel's clock, as in the replay.
STEP_S = 0.02

Dest = collections.namedtuple("Dest", "weight upper lower")
Packet = collections.namedtuple("Packet", "proto src sport dst dport flags")
FIN, SYN, RST, ACK = 1, 2, 4, 16


def sum16(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def segment(src, sport, dst, dport, flags):
    """A TCP segment without data, as an IPv4 packet."""
    ends = socket.inet_aton(src) + socket.inet_aton(dst)
    head = struct.pack("!HHIIBBHHH", sport, dport, 1000, 1000, 5 << 4, flags, 65535, 0, 0)
    check = sum16(ends + struct.pack("!HH", 6, len(head)) + head)
    head = head[:16] + struct.pack("!H", check) + head[18:]
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(head), 1, 0, 64, 6, 0) + ends
    return ip[:10] + struct.pack("!H", sum16(ip)) + ip[12:] + head


def parse(data):
    proto, src, dst = data[9], socket.inet_ntoa(data[12:16]), socket.inet_ntoa(data[16:20])
    if proto == 1:
        return Packet(1, src, data[20], dst, data[21], 0)
    sport, dport = struct.unpack("!HH", data[20:24])
    return Packet(proto, src, sport, dst, dport, data[33])


class Kernel:
    """What the scripts need of the kernel, ready for use."""

    def __init__(self):
        self.tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(self.tun, TUNSETIFF, struct.pack("16sH22x", b"tun0", IFF_TUN | IFF_NO_PI))
        settings = {
            "net/ipv4/ip_forward": 1,
            "net/ipv4/conf/all/rp_filter": 0,
            "net/ipv4/conf/tun0/rp_filter": 0,
            "net/ipv4/conf/all/send_redirects": 0,
            "net/ipv4/conf/tun0/send_redirects": 0,
            "net/ipv4/icmp_ratelimit": 0,
            "net/ipv4/icmp_msgs_per_sec": 1000000,
            "net/ipv4/icmp_msgs_burst": 1000000,
            "net/ipv6/conf/tun0/disable_ipv6": 1,
        }
        for name, value in settings.items():
            with open(f"/proc/sys/{name}", "w") as file:
                file.write(str(value))
        for command in (
            f"ip addr add {VIP}/32 dev lo",
            "ip link set lo up",
            "ip link set tun0 up",
            "ip route add default dev tun0",
        ):
            subprocess.run(command.split(), check=True)
        self.now = time.monotonic()
        self.control = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)

    def _set(self, option, vport, scheduler="", flags=0, dest=b""):
        service = struct.pack(
            "=H2x4sH2xI16sIIi", 6, socket.inet_aton(VIP), socket.htons(vport), 0,
            scheduler.encode(), flags, 0, -1)
        self.control.setsockopt(socket.IPPROTO_IP, option, service + dest)

    def add(self, vport, scheduler, fallback, port):
        self._set(SET_ADD, vport, scheduler, FLAG_1 * fallback | FLAG_2 * port)

    def delete(self, vport):
        self._set(SET_DELETE, vport)

    def set_dest(self, option, vport, real, dest=Dest(0, 0, 0)):
        """`real` is an address and a port; NAT."""
        user = struct.pack(
            "=4sH2xIiII", socket.inet_aton(real[0]), socket.htons(real[1]), 0,
            dest.weight, dest.upper, dest.lower)
        self._set(option, vport, dest=user)

    def exchange(self, packet):
        """Lets a packet in, and `STEP_S` pass; what comes out for it, or None."""
        os.write(self.tun, packet)
        self.wait(STEP_S)
        out = []
        while select.select([self.tun], [], [], 0)[0]:
            out.append(parse(os.read(self.tun, 2048)))
        if len(out) > 1:
            raise RuntimeError(f"more than one packet came out: {out}")
        return out[0] if out else None

    def wait(self, seconds):
        """Lets time pass: all times are so many seconds after the first."""
        self.now += seconds
        time.sleep(max(0, self.now - time.monotonic()))

    def counts(self, vport):
        """Active and inactive connections of a service's real servers, by address."""
        here, counts = False, {}
        address = f"{int.from_bytes(socket.inet_aton(VIP), 'big'):08X}:{vport:04X}"
        with open("/proc/net/ip_vs") as file:
            for line in file:
                words = line.split()
                if words[0] == "TCP":
                    here = words[1] == address
                elif words[0] == "->" and here and words[2] == "Masq":
                    ip, _ = words[1].split(":")
                    counts[socket.inet_ntoa(bytes.fromhex(ip))] = (int(words[4]), int(words[5]))
        return counts
