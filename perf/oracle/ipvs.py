"""The IPVS of the kernel this runs in: its services by socket options, its packets by a TUN device."""

import collections
import ctypes
import fcntl
import os
import select
import socket
import struct
import subprocess
import time

from packets import TCP, parse

VIP = "203.0.113.1"
# linux/ip_vs.h
SET_ADD, SET_EDIT, SET_DELETE, SET_FLUSH = 1154, 1155, 1156, 1157
SET_ADD_DEST, SET_DELETE_DEST, SET_EDIT_DEST, SET_TIMEOUTS = 1159, 1160, 1161, 1162
GET_SERVICE, GET_DESTS = 1155, 1156
FLAG_PERSISTENT, FLAG_ONE_PACKET = 0x1, 0x4
FLAG_1, FLAG_2 = 0x8, 0x10  # IP_VS_SVC_F_SCHED1 and 2: fallback and port of sh and mh
METHODS = {"nat": 0, "tun": 2, "dr": 3}
SERVICE = "=H2x4sH2xI16sIII"
DEST = "=4sH2xIiII"
SERVICE_ENTRY = "=H2x4sH2xI16sIIII"
DEST_ENTRY = "=4sH2xIiIIIII4x"
STATS = "=III4xQQIIIII4x"
DESTS_HEAD = "=H2x4sH2xII4x"
# linux/if_tun.h
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x1, 0x1000
# How much time a packet takes, in seconds: two ticks of the kernel's clock, as in the replay.
STEP_S = 0.02
# Longer than anything lives.
FORGET_S = 2000
# What scripts change, and what it is by default (net.ipv4.vs).
SYSCTLS = {"conn_reuse_mode": 1, "expire_nodest_conn": 0, "sloppy_tcp": 0,
           "expire_quiescent_template": 0, "drop_packet": 0, "am_droprate": 10,
           "secure_tcp": 0}
TIMEOUTS_S = (900, 120, 300)

Dest = collections.namedtuple("Dest", "weight upper lower")
# Persistence is a number of seconds, 0 for none; port 0 is any port, and a mark has neither.
Service = collections.namedtuple(
    "Service", "proto port mark scheduler fallback bucket_port persistence mask ops",
    defaults=(TCP, 0, 0, "", False, False, 0, 32, False))
# A line of the list of connections; templates have client port 0.
Entry = collections.namedtuple("Entry", "client vip real state left")
Stats = collections.namedtuple(
    "Stats", "conns inpkts outpkts inbytes outbytes cps inpps outpps inbps outbps")


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
            self._write(name, value)
        for command in (
            f"ip addr add {VIP}/32 dev lo",
            "ip link set lo up",
            "ip link set tun0 up",
            "ip route add default dev tun0",
        ):
            subprocess.run(command.split(), check=True)
        self.now = time.monotonic()
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.control = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)

    @staticmethod
    def _write(name, value):
        with open(f"/proc/sys/{name}", "w") as file:
            file.write(str(value))

    # Settings.

    def sysctl(self, name, value):
        self._write(f"net/ipv4/vs/{name}", value)

    def timeouts(self, tcp, tcp_fin, udp):
        self._option(SET_TIMEOUTS, struct.pack("=iii", tcp, tcp_fin, udp))

    def _option(self, option, value):
        self.control.setsockopt(socket.IPPROTO_IP, option, value)

    @staticmethod
    def _key(service):
        # A service by mark has no address.
        address = "0.0.0.0" if service.mark else VIP
        return service.proto, socket.inet_aton(address), socket.htons(service.port), service.mark

    def set(self, option, service, dest=b""):
        flags = FLAG_1 * service.fallback | FLAG_2 * service.bucket_port
        flags |= FLAG_PERSISTENT * (service.persistence > 0) | FLAG_ONE_PACKET * service.ops
        mask = socket.htonl(0xFFFFFFFF << 32 - service.mask & 0xFFFFFFFF)
        user = struct.pack(SERVICE, *self._key(service), service.scheduler.encode(), flags,
                           service.persistence, mask)
        self._option(option, user + dest)

    def set_dest(self, option, service, real, mode="nat", dest=Dest(0, 0, 0)):
        """`real` is an address and a port."""
        user = struct.pack(DEST, socket.inet_aton(real[0]), socket.htons(real[1]), METHODS[mode],
                           dest.weight, dest.upper, dest.lower)
        self.set(option, service, user)

    def mark(self, proto, ports, mark):
        """Has packets to these ports of the VIP marked."""
        commands = ["tc qdisc replace dev tun0 clsact", "tc filter del dev tun0 ingress"]
        commands += [
            f"tc filter add dev tun0 ingress protocol ip flower ip_proto {proto} dst_ip {VIP} "
            f"dst_port {port} action skbedit mark {mark}" for port in ports]
        for command in commands:
            subprocess.run(command.split(), check=True)

    def forget(self):
        """Removes all services and waits until no connection is left, as if nothing had been."""
        self._option(SET_FLUSH, b"")
        for name, value in SYSCTLS.items():
            self.sysctl(name, value)
        self.timeouts(*TIMEOUTS_S)
        self.wait(FORGET_S)
        if self.entries():
            raise RuntimeError(f"{self.entries()} are left")

    # Packets and time.

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

    # What it shows.

    def entries(self):
        """All connections and templates."""
        def end(address, port):
            return socket.inet_ntoa(bytes.fromhex(address)), int(port, 16)
        with open("/proc/net/ip_vs_conn") as file:
            rows = [line.split() for line in file][1:]
        return [Entry(end(*row[1:3]), end(*row[3:5]), end(*row[5:7]), row[7], int(row[8]))
                for row in rows]

    def _get(self, option, asked, size):
        """A socket option whose value begins with what is asked; Python's own cannot ask."""
        value, length = ctypes.create_string_buffer(asked, size), ctypes.c_uint(size)
        if self.libc.getsockopt(self.control.fileno(), socket.IPPROTO_IP, option, value,
                                ctypes.byref(length)) != 0:
            raise OSError(ctypes.get_errno(), f"socket option {option}")
        return value.raw

    def _entry(self, service):
        asked = struct.pack(SERVICE_ENTRY, *self._key(service), b"", 0, 0, 0, 0)
        size = struct.calcsize(SERVICE_ENTRY)
        answer = self._get(GET_SERVICE, asked, size + struct.calcsize(STATS))
        dests = struct.unpack_from(SERVICE_ENTRY, answer)[-1]
        return dests, Stats(*struct.unpack_from(STATS, answer, size))

    def service_stats(self, service):
        """What it counted; brought up to date every 2 s."""
        return self._entry(service)[1]

    def dests(self, service):
        """Connections and counters of a service's real servers, by address: active, inactive,
        persistent and `Stats`."""
        head, entry = struct.calcsize(DESTS_HEAD), struct.calcsize(DEST_ENTRY)
        each, count = entry + struct.calcsize(STATS), self._entry(service)[0]
        asked = struct.pack(DESTS_HEAD, *self._key(service), count)
        answer = self._get(GET_DESTS, asked, head + count * each)
        found = {}
        for at in range(head, head + count * each, each):
            address, *_, active, inactive, persistent = struct.unpack_from(DEST_ENTRY, answer, at)
            stats = Stats(*struct.unpack_from(STATS, answer, at + entry))
            found[socket.inet_ntoa(address)] = (active, inactive, persistent, stats)
        return found
