"""Walks through the SCTP states of the IPVS of this kernel. Usage: sctp.py DIRECTORY

Every state that is reached from an INIT, in NAT and in DR, gets every event from either side that
passes here; then what else may open a connection with sloppy_sctp=1, and what becomes of packets
that open none. Each line of sctp.txt is one case, see dataplane/tests/director/sctp_recorded.rs.
"""

import os
import select
import socket
import struct
import sys
import traceback

from ipvs import Kernel, VIP

SCTP = 132
SET_ADD, SET_ADD_DEST = 1154, 1159  # linux/ip_vs.h
METHODS = {"nat": 0, "dr": 3}
VPORTS = {"nat": 80, "dr": 81}
NO_DEST, NO_SERVICE = 82, 83
CLIENT, REAL, RPORT = "198.51.100.7", "10.0.0.11", 8080
# Chunks by the names that the lines have for them.
CHUNKS = {"d": 0, "i": 1, "ia": 2, "ce": 10, "ca": 11, "s": 7, "sa": 8, "sc": 14, "e": 9, "a": 6}
BUNDLES = ["ce+a", "ca+a"]
# How long something may take to come out, in seconds.
PATIENCE = 0.02


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def sum16(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def packet(src, dst, names):
    """An IPv4 packet with the chunks of these names, each with 12 bytes."""
    body = b"".join(struct.pack("!BBH12x", CHUNKS[name], 0, 16) for name in names.split("+"))
    head = struct.pack("!HHI", src[1], dst[1], 1)
    body = head + struct.pack("<I", crc32c(head + bytes(4) + body)) + body
    ends = socket.inet_aton(src[0]) + socket.inet_aton(dst[0])
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0, 64, SCTP, 0) + ends
    return ip[:10] + struct.pack("!H", sum16(ip)) + ip[12:] + body


class Walker:
    """Connections of ever other clients, and the lines that they make."""

    def __init__(self, kernel):
        self.kernel, self.cport, self.lines = kernel, 1024, []
        self.longest = {}
        for vport in (*VPORTS.values(), NO_DEST):
            self._set(SET_ADD, vport)
        for mode, vport in VPORTS.items():
            rport = RPORT if mode == "nat" else vport
            self._set(SET_ADD_DEST, vport, struct.pack(
                "=4sH2xIiII", socket.inet_aton(REAL), socket.htons(rport), METHODS[mode], 1, 0, 0))

    def _set(self, option, vport, dest=b""):
        service = struct.pack("=H2x4sH2xI16sIIi", SCTP, socket.inet_aton(VIP),
                              socket.htons(vport), 0, b"rr", 0, 0, -1)
        self.kernel.control.setsockopt(socket.IPPROTO_IP, option, service + dest)

    def exchange(self, data):
        os.write(self.kernel.tun, data)
        if not select.select([self.kernel.tun], [], [], PATIENCE)[0]:
            return None
        return os.read(self.kernel.tun, 4096)

    def step(self, mode, step):
        """`>` is a packet of the client, `<` one of the real server. Whether it was forwarded."""
        client = (CLIENT, self.cport)
        if step[0] == ">":
            out = self.exchange(packet(client, (VIP, VPORTS[mode]), step[1:]))
        else:
            out = self.exchange(packet((REAL, RPORT), client, step[1:]))
        return out is not None and out[9] == SCTP

    def walk(self, mode, steps):
        """A new client's packets; the state of its connection after them."""
        self.cport += 1
        forwarded = [self.step(mode, step) for step in steps]
        if not forwarded[-1]:
            return None
        with open("/proc/net/ip_vs_conn") as file:
            for line in file:
                words = line.split()
                if words[0] == "SCTP" and int(words[2], 16) == self.cport:
                    state = words[7]
                    self.longest[state] = max(self.longest.get(state, 0), int(words[8]))
                    return state
        return None

    def states(self, mode):
        sides = "><" if mode == "nat" else ">"
        first = [">i"]
        paths = [(self.walk(mode, first), first)]
        self.lines.append(f"{mode} >i = {paths[0][0]}")
        known = {paths[0][0]}
        for _, path in paths:
            for step in (side + name for side in sides for name in [*CHUNKS, *BUNDLES]):
                state = self.walk(mode, [*path, step])
                self.lines.append(f"{mode} {' '.join([*path, step])} = {state}")
                if state not in known:
                    known.add(state)
                    paths.append((state, [*path, step]))

    def sloppy(self, mode):
        for name in [*CHUNKS, *BUNDLES]:
            self.lines.append(f"sloppy {mode} >{name} = {self.walk(mode, ['>' + name])}")

    def answer(self, what, vport, name, cport=None):
        self.cport += 1
        out = self.exchange(packet((CLIENT, cport or self.cport), (VIP, vport), name))
        answer = f"icmp {out[20]}/{out[21]}" if out and out[9] == 1 else "forwarded" if out else "-"
        self.lines.append(f"{what} >{name} = {answer}")


def main():
    walker = Walker(Kernel())
    for mode in VPORTS:
        walker.states(mode)
    for name in [name for name in [*CHUNKS, *BUNDLES] if name != "i"]:
        walker.answer("no-flow", VPORTS["nat"], name)
        walker.answer("no-service", NO_SERVICE, name)
    walker.answer("no-service", NO_SERVICE, "i")
    walker.answer("no-dest", NO_DEST, "i")
    walker.answer("no-dest", NO_DEST, "d")
    walker.answer("port-20", VPORTS["nat"], "i", 20)
    with open("/proc/sys/net/ipv4/vs/sloppy_sctp", "w") as file:
        file.write("1")
    for mode in VPORTS:
        walker.sloppy(mode)
    walker.lines += [f"timeout {state} = {left}" for state, left in sorted(walker.longest.items())]
    with open(f"{sys.argv[1]}/sctp.txt", "w") as file:
        file.write("\n".join(walker.lines) + "\n")
    print("complete")


try:
    main()
except Exception:
    traceback.print_exc(file=sys.stdout)
