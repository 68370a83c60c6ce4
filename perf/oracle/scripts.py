"""Random scripts for a service, played against the kernel's IPVS and written down with its answers.

The notation is explained in docs/IPVS-COMPATIBILITY.md.
"""

import random
import string

from ipvs import (
    ACK, FIN, RST, SET_ADD_DEST, SET_DELETE_DEST, SET_EDIT_DEST, SYN, VIP, Dest, segment)

STEPS = 500
# Steps after which time passes, so that closed connections (10 s) end.
WAITS = (170, 340)
WAIT_S = 11
CHECK_EVERY = 50
POOL_MAX = 12
LARGE = (100, 300, 1000, 65535)
FLAGS = {"a": ACK, "f": FIN | ACK, "r": RST, "s": SYN,
         "A": ACK, "F": FIN | ACK, "R": RST, "S": SYN | ACK}
KINDS = (("pick", 50), ("client", 21), ("server", 12), ("again", 3), ("weight", 5), ("limit", 2),
         ("delete", 3), ("return", 2.5), ("new", 1.5))


class Script:
    """One script."""

    def __init__(self, kernel, number, scheduler, seed):
        self.kernel, self.number = kernel, number
        self.name, *flags = scheduler.split(",")
        self.fallback, self.port = "fallback" in flags, "port" in flags
        self.head = f"# {number} {' '.join([self.name, *flags])}"
        self.random = random.Random(f"{seed}/{number}/{scheduler}")
        self.vport = 1000 + number
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
        return f"10.{self.number}.{n * 37 % 256}.{n}", 8000 + n

    # Steps.

    def play(self):
        self.kernel.add(self.vport, self.name, self.fallback, self.port)
        for _ in range(self.random.randint(1, POOL_MAX)):
            self.do_new()
        for step in range(STEPS):
            kind = self.random.choices([k for k, _ in KINDS], [w for _, w in KINDS])[0]
            getattr(self, f"do_{kind}")()
            if step % CHECK_EVERY == CHECK_EVERY - 1:
                self.check()
            if step in WAITS:
                self.write(f"~{WAIT_S}")
                self.kernel.wait(WAIT_S)
        self.kernel.delete(self.vport)

    def write(self, word):
        if self.picks:
            self.words.append(f">{self.picks}")
            self.picks = ""
        if word:
            self.words.append(word)

    def send(self, number, letter):
        """A segment of a client's connection; what became of it, in one character."""
        client = self.client(number)
        if letter.isupper():
            there = self.real(self.clients[number])
            out = self.kernel.exchange(segment(*there, *client, FLAGS[letter]))
            if out is None:
                return "."
            if (out.dst, out.dport) != client or out.flags != FLAGS[letter]:
                raise RuntimeError(f"{out} came out for a reply to client {number}")
            # Not translated: no connection that it belongs to.
            return "<" if out.src == VIP else "="
        out = self.kernel.exchange(segment(*client, VIP, self.vport, FLAGS[letter]))
        if out is None:
            return "."
        if out.proto == 1:
            if (out.sport, out.dport, out.dst) != (3, 3, client[0]):
                raise RuntimeError(f"{out} came out for client {number}")
            return "-"
        if out.src == VIP:
            if not out.flags & RST:
                raise RuntimeError(f"{out} came out for client {number}")
            return "!"
        name = chr(ord("a") + int(out.dst.split(".")[3]) - 1)
        if (out.dst, out.dport) != self.real(name) or (out.src, out.sport) != client:
            raise RuntimeError(f"{out} came out for client {number}")
        return name

    def do_pick(self):
        self.clients.append(None)
        fate = self.send(len(self.clients) - 1, "s")
        self.picks += fate
        if fate.isalpha():
            self.clients[-1] = fate

    def some_client(self):
        having = [n for n, real in enumerate(self.clients) if real]
        return self.random.choice(having) if having else None

    def event(self, letters, weights):
        number = self.some_client()
        if number is None:
            return
        letter = self.random.choices(letters, weights)[0]
        fate = self.send(number, letter)
        usual = "<" if letter.isupper() else self.clients[number]
        self.write(f"{number}{letter}" + ("" if fate == usual else f">{fate}"))
        if letter == "s":
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
        self.kernel.set_dest(option, self.vport, self.real(name), dest)
        self.pool[name] = dest
        self.write(f"{sign}{name}{self.text(dest)}")

    def add(self, name):
        limits = self.limits() if self.random.random() < 0.2 else (0, 0)
        self.put(name, Dest(self.a_weight(), *limits), SET_ADD_DEST, "+")

    def do_new(self):
        if len(self.pool) < POOL_MAX and self.new:
            self.add(self.new.pop(0))

    def do_return(self):
        if not self.gone or len(self.pool) >= POOL_MAX:
            return
        name = self.random.choice(sorted(self.gone))
        dest = self.gone.pop(name)
        # Often as it was.
        if self.random.random() < 0.5:
            self.put(name, dest, SET_ADD_DEST, "+")
        else:
            self.add(name)

    def do_delete(self):
        if len(self.pool) > 1:
            name = self.random.choice(sorted(self.pool))
            self.kernel.set_dest(SET_DELETE_DEST, self.vport, self.real(name))
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
        counts = self.kernel.counts(self.vport)
        each = (f"{name}{'/'.join(map(str, counts[self.real(name)[0]]))}"
                for name in sorted(self.pool))
        self.write(f"[{','.join(each)}]")
