"""Random scripts for a service, played against the kernel's IPVS and written down with its answers.

The notation is explained in docs/IPVS-COMPATIBILITY.md. `families` has scripts of other kinds.
"""

import random
import string

from ipvs import (
    SET_ADD, SET_ADD_DEST, SET_DELETE_DEST, SET_EDIT_DEST, VIP, Dest, Service)
from packets import DONT_FRAGMENT, FLAGS, ICMP, RST, UDP, Header, datagram, segment

CHECK_EVERY = 50
POOL_MAX = 12
LARGE = (100, 300, 1000, 65535)
# A service beside that of a script.
OTHER = Service(port=9, scheduler="rr")


class Script:
    """One script: schedulers, weights and thresholds, with a TCP service in NAT mode."""

    STEPS = 500
    # Steps after which time passes, so that closed connections (10 s) end.
    WAITS = (170, 340)
    WAIT_S = 11
    KINDS = (("pick", 50), ("client", 21), ("server", 12), ("again", 3), ("weight", 5),
             ("limit", 2), ("delete", 3), ("return", 2.5), ("new", 1.5))

    def __init__(self, kernel, number, scheduler, seed, mode="nat"):
        self.kernel, self.number, self.mode = kernel, number, mode
        self.name, *flags = scheduler.split(",")
        self.service = Service(
            port=1000 + number, scheduler=self.name, fallback="fallback" in flags,
            bucket_port="port" in flags)
        self.head = f"# {number} {' '.join([self.name, *flags])}"
        self.random = random.Random(f"{seed}/{number}/{scheduler}")
        self.pool, self.gone, self.new = {}, {}, list(string.ascii_lowercase)
        # The real server of each client's connection, None if it never had one.
        self.clients = []
        self.words, self.picks = [], ""

    # Addresses; ctrl/src/conformance/script.rs has the same.

    def client(self, number):
        n = self.number * 512 + number
        at = n * 40503 % 65536
        return f"198.18.{at >> 8}.{at & 255}", 1024 + n * 7919 % 64000

    def real(self, name):
        n = ord(name) - ord("a") + 1
        address = f"10.{self.number % 256}.{n * 37 % 256}.{n}"
        return address, 8000 + n if self.mode == "nat" else self.service.port

    def vport(self, _number):
        """The port that a client connects to."""
        return self.service.port

    # Steps.

    def play(self):
        # Linux leaves all packets alone that come while there is no service.
        self.kernel.set(SET_ADD, OTHER)
        self.kernel.set(SET_ADD, self.service)
        self.begin()
        for step in range(self.STEPS):
            kind = self.random.choices([k for k, _ in self.KINDS], [w for _, w in self.KINDS])[0]
            getattr(self, f"do_{kind}")()
            if step % CHECK_EVERY == CHECK_EVERY - 1:
                self.check()
            if step in self.WAITS:
                self.write(f"~{self.WAIT_S}")
                self.kernel.wait(self.WAIT_S)
        self.write("")
        self.kernel.forget()

    def begin(self):
        for _ in range(self.random.randint(1, POOL_MAX)):
            self.do_new()

    def write(self, word):
        if self.picks:
            self.words.append(f">{self.picks}")
            self.picks = ""
        if word:
            self.words.append(word)

    def packet(self, number, letter):
        """The packet that a client sends, or its real server in reply."""
        client, ends = self.client(number), (VIP, self.vport(number))
        if letter.isupper():
            there = self.real(self.clients[number])
            ends = there[0], there[1] or ends[1]
            src, dst = ends, client
        else:
            src, dst = client, ends
        if self.service.proto == UDP or letter in "dD":
            # So that they differ.
            return datagram(*src, *dst, number % 50, self.header(number))
        return segment(*src, *dst, FLAGS[letter], self.header(number))

    @staticmethod
    def header(number):
        return Header(number * 4 % 256, 64 - number % 8, DONT_FRAGMENT * (number % 2))

    def send(self, number, letter):
        """A packet of a client's connection; what became of it, in one character."""
        client, vport = self.client(number), self.vport(number)
        sent = self.packet(number, letter)
        out = self.kernel.exchange(sent)

        def unexpected():
            return RuntimeError(f"{out} came out for {letter} of client {number}")

        if out is None:
            return "."
        if out.proto == ICMP:
            if (out.sport, out.dport, out.dst) != (3, 3, client[0]):
                raise unexpected()
            return "-"
        answered = not letter.isupper() and out.src == VIP
        if not answered:
            hop = self.header(number)
            hop = hop._replace(ttl=hop.ttl - 1)
            if out.header != hop or out.length != len(sent) or out.outer not in (None, hop):
                raise unexpected()
        if letter.isupper():
            if (out.dst, out.dport) != client or out.flags != FLAGS[letter]:
                raise unexpected()
            # Not translated: no connection that it belongs to.
            if out.src != VIP:
                return "="
            if out.sport != vport:
                raise unexpected()
            return "<"
        if answered:
            if not out.flags & RST:
                raise unexpected()
            return "!"
        if (out.src, out.sport) != client:
            raise unexpected()
        name = self.chosen(number, out)
        there = self.real(name)
        expected = (there[0], there[1] or vport) if self.mode == "nat" else (VIP, vport)
        if (out.dst, out.dport) != expected:
            raise unexpected()
        return name

    def chosen(self, number, out):
        """The real server that `out` is for."""
        address = out.to or out.dst
        if self.mode == "dr":
            # It is told by its MAC only, so the kernel is asked.
            address = self.entry(number).real[0]
        return chr(ord("a") + int(address.split(".")[3]) - 1)

    def entry(self, number):
        """The connection of a client, or None."""
        mine = [e for e in self.kernel.entries() if e.client == self.client(number)]
        return mine[0] if mine else None

    # The letter of a packet that opens a connection.
    FIRST = "s"

    def do_pick(self):
        self.clients.append(None)
        fate = self.send(len(self.clients) - 1, self.FIRST)
        self.picks += fate
        if fate.isalpha():
            self.clients[-1] = fate

    def some_client(self):
        having = [n for n, real in enumerate(self.clients) if real]
        return self.random.choice(having) if having else None

    def event(self, letters, weights):
        number = self.some_client()
        if number is not None:
            self.step(number, self.random.choices(letters, weights)[0])

    def step(self, number, letter):
        fate = self.send(number, letter)
        usual = "<" if letter.isupper() else self.clients[number]
        self.write(f"{number}{letter}" + ("" if fate == usual else f">{fate}"))
        if fate.isalpha():
            self.clients[number] = fate

    def do_client(self):
        self.event("afr", (35, 25, 40))

    def do_server(self):
        self.event("SAFR", (30, 20, 30, 20))

    def do_again(self):
        self.event("s", (1,))

    def a_weight(self):
        roll = self.random.random()
        if roll < 0.8:
            return self.random.randint(0, 5)
        return self.random.randint(6, 40) if roll < 0.92 else self.random.choice(LARGE)

    def limits(self):
        upper = self.random.choice((0, 0, 1, 2, 3, 4, 5, 8, 12, 20))
        lower = self.random.randint(0, upper) if self.random.random() < 0.5 else 0
        return upper, lower

    @staticmethod
    def text(dest):
        return f"{dest.weight}" + (f"/{dest.upper}/{dest.lower}" if dest.upper else "")

    def put(self, name, dest, option, sign):
        # RVS sees no change in a configuration that is the same.
        if self.pool.get(name) == dest:
            return
        self.kernel.set_dest(option, self.service, self.real(name), self.mode, dest)
        self.pool[name] = dest
        self.write(f"{sign}{name}{self.text(dest)}")

    def add(self, name):
        limits = self.limits() if self.random.random() < 0.2 else (0, 0)
        self.put(name, Dest(self.a_weight(), *limits), SET_ADD_DEST, "+")

    def do_new(self):
        if len(self.pool) < POOL_MAX and self.new:
            self.add(self.new.pop(0))

    def may_return(self):
        """Real servers that may be added again."""
        return sorted(self.gone)

    def do_return(self):
        names = self.may_return()
        if not names or len(self.pool) >= POOL_MAX:
            return
        name = self.random.choice(names)
        dest = self.gone.pop(name)
        # Often as it was.
        if self.random.random() < 0.5:
            self.put(name, dest, SET_ADD_DEST, "+")
        else:
            self.add(name)

    def do_delete(self):
        if len(self.pool) > 1:
            name = self.random.choice(sorted(self.pool))
            self.kernel.set_dest(SET_DELETE_DEST, self.service, self.real(name), self.mode)
            self.gone[name] = self.pool.pop(name)
            self.write(f"-{name}")

    def do_weight(self):
        name = self.random.choice(sorted(self.pool))
        dest = self.pool[name]._replace(weight=self.a_weight())
        self.put(name, dest, SET_EDIT_DEST, "=")

    def do_limit(self):
        name = self.random.choice(sorted(self.pool))
        upper, lower = self.limits()
        dest = self.pool[name]._replace(upper=upper, lower=lower)
        self.put(name, dest, SET_EDIT_DEST, "=")

    def check(self):
        """Writes the connections of all real servers down, active and inactive."""
        dests = self.kernel.dests(self.service)
        each = (f"{name}{'/'.join(map(str, dests[self.real(name)[0]][:2]))}"
                for name in sorted(self.pool))
        self.write(f"[{','.join(each)}]")
