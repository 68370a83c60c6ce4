"""Scripts beyond scheduling: states by name and time, UDP, tunnels, settings, persistence, marks.

Each is a `Script` with steps of its own; all of them let time pass, and write counters down.
"""

from ipvs import (
    SET_ADD, SET_ADD_DEST, SET_DELETE, SET_EDIT, SYSCTLS, TIMEOUTS_S, VIP, Dest)
from packets import FLAGS, TCP, UDP, segment
from scripts import OTHER
from templates import Templates
from timed import LEFT_S_MIN, PART, STATES, Timed

# How long until a defence that was set is up at the latest.
DEFENCE_S = 2
SCHEDULERS = ("rr", "wrr", "lc", "wlc", "sed", "nq", "fo", "ovf", "sh", "mh", "sh,port",
              "mh,fallback")


class Walk(Timed):
    """Segments of few connections from either side; state and time left after each of them."""

    KINDS = (("pick", 6), ("walk", 90), ("pass", 4))
    STEPS = 400
    PASSES = (1, 3, 7, 12, 25, 50, 65, 110, 130, 400, 1000)
    LETTERS = "syafrn"
    # How often each segment was sent in each state: the rarest is sent next.
    seen = {}

    def begin(self):
        for name in "abc":
            self.put(name, Dest(1, 0, 0), SET_ADD_DEST, "+")
        self.new = []

    def do_walk(self):
        number = self.some_client()
        if number is None:
            return
        if self.since >= PART:
            self.passes(1)
        entry = self.entry(number)
        state = entry.state if entry else ""
        letters = list(self.LETTERS + (self.LETTERS.upper() if self.mode == "nat" else ""))
        self.random.shuffle(letters)

        def times(letter):
            return self.seen.get((self.mode, state, letter), 0)

        letter = min(letters, key=times)
        self.seen[self.mode, state, letter] = times(letter) + 1
        self.step(number, letter)
        self.words[-1] += self.state(number)

    def some_client(self):
        """One of the last few."""
        having = [n for n, real in enumerate(self.clients) if real][-8:]
        return self.random.choice(having) if having else None


class HalfClosed(Walk):
    """The same with less to choose from, so that it comes more often to what is rare."""

    LETTERS = "afr"
    seen = {}


class Secured(Walk):
    """The same with `secure_tcp`, which has states of its own."""

    seen = {}

    def begin(self):
        super().begin()
        self.kernel.sysctl("secure_tcp", 3)
        self.write("%secure_tcp=3")
        self.passes(DEFENCE_S)


class Datagrams(Timed):
    """UDP: scheduling, thresholds, replies, time."""

    KINDS = (("pick", 40), ("client", 20), ("server", 12), ("weight", 5), ("limit", 3),
             ("delete", 3), ("return", 3), ("new", 2), ("pass", 3))
    PROTO = UDP
    PASSES = (5, 60, 150, 250, 310)
    FIRST = "d"

    def do_client(self):
        self.event("d", (1,))

    def do_server(self):
        self.event("D", (1,))


class Changes(Timed):
    """Another scheduler, and the service removed and added again, while connections live."""

    KINDS = (("pick", 45), ("client", 20), ("server", 12), ("again", 4), ("weight", 5),
             ("delete", 3), ("return", 4), ("new", 2), ("pass", 2), ("scheduler", 3),
             ("remove", 1))
    PASSES = (2, 11, 65)

    def do_scheduler(self):
        name, *flags = self.random.choice(SCHEDULERS).split(",")
        changed = self.service._replace(scheduler=name, fallback="fallback" in flags,
                                        bucket_port="port" in flags)
        if changed != self.service:
            self.service = changed
            self.kernel.set(SET_EDIT, self.service)
            self.write("*" + ",".join([name, *flags]))

    def do_delete(self):
        # What Linux has not added up yet it would count for the service that comes then.
        self.passes(2)
        super().do_delete()

    def do_remove(self):
        self.passes(2)
        self.kernel.set(SET_DELETE, self.service)
        self.gone.update(self.pool)
        self.pool = {}
        # It is another service then, and its real servers begin anew.
        self.missed = {name: [self.kernel.now] * 2 for name in self.gone}
        self.write("!-")
        for _ in range(self.random.randint(0, 8)):
            self.do_client()
            self.do_server()
        self.kernel.set(SET_ADD, self.service)
        self.write("!+")
        for _ in range(self.random.randint(1, len(self.gone))):
            self.do_return()


class Settings(Timed):
    """Settings of all services changed while connections live and end."""

    KINDS = (("pick", 35), ("client", 25), ("server", 15), ("again", 12), ("weight", 8),
             ("delete", 3), ("return", 4), ("new", 2), ("pass", 3), ("sysctl", 3), ("timeout", 1))
    PASSES = (2, 11, 65)
    VALUES = {"conn_reuse_mode": (0, 1, 2, 3), "expire_nodest_conn": (0, 1), "sloppy_tcp": (0, 1)}
    # A background task ends the connections of a removed real server; it takes a moment.
    SETTLE_S = 1

    def do_sysctl(self):
        name = self.random.choice(sorted(self.VALUES))
        value = self.random.choice(self.VALUES[name])
        if name == "expire_nodest_conn" and value and self.some_removed_has_connections():
            # Linux ends them one by one when a packet comes, RVS all at once.
            return
        self.kernel.sysctl(name, value)
        self.write(f"%{name}={value}")

    def some_removed_has_connections(self):
        held = {entry.real[0] for entry in self.kernel.entries()}
        return any(self.real(name)[0] in held for name in self.gone)

    def do_timeout(self):
        values = [self.random.choice((default, 30, 45, 200)) for default in TIMEOUTS_S]
        self.kernel.timeouts(*values)
        self.write(f"%timeouts={'/'.join(map(str, values))}")

    def do_delete(self):
        super().do_delete()
        self.passes(self.SETTLE_S)

    def do_client(self):
        self.event("afry", (45, 25, 25, 5))

    def a_weight(self):
        return self.random.choice((0, 0, 1, 1, 2, 3))


class Sticky(Timed):
    """Persistence: few hosts, lifetimes, weight 0, removal; what a template says."""

    KINDS = (("pick", 50), ("client", 20), ("server", 10), ("weight", 6), ("limit", 1),
             ("delete", 3), ("return", 3), ("new", 2), ("pass", 3), ("quiescent", 1))
    PASSES = (2, 5, 15, 30, 61, 125)
    HOSTS = 24

    def __init__(self, *args, **service):
        super().__init__(*args, **service)
        self.templates = Templates(self.service) if self.service.persistence else None

    def is_persistent(self, _number):
        """Whether a client's connection is one to the persistent service."""
        return True

    def send(self, number, letter):
        if not self.templates:
            return super().send(number, letter)
        before, now = self.kernel.entries(), self.kernel.now
        fate = super().send(number, letter)
        if letter.islower() and self.is_persistent(number):
            self.templates.sent(self.client(number), before, self.kernel.entries(), now)
        return fate

    def wait(self, seconds):
        if not self.templates:
            super().wait(seconds)
            return
        # By the second, which is what the kernel shows.
        for _ in range(seconds):
            before, then = self.kernel.entries(), self.kernel.now
            super().wait(1)
            self.templates.passed(before, then, self.kernel.now)

    def is_quiet(self):
        if not self.templates:
            return super().is_quiet()
        entries = self.kernel.entries()
        connections, _ = self.templates.split(entries)
        return (all(entry.left >= LEFT_S_MIN for entry in connections)
                and self.templates.is_quiet(entries, self.kernel.now, LEFT_S_MIN))

    def client(self, number):
        n = self.number * 512 + number
        host = (n * 40503 % 65536 >> 8) % self.HOSTS
        return f"198.18.{self.number % 256}.{host * 10}", 1024 + n * 7919 % 64000

    def do_quiescent(self):
        value = self.random.choice((0, 1))
        self.kernel.sysctl("expire_quiescent_template", value)
        self.write(f"%expire_quiescent_template={value}")

    def a_weight(self):
        return self.random.choice((0, 0, 1, 1, 2, 3))

    def check(self):
        super().check()
        if not self.service.persistence:
            return
        # Templates: the masked address's last byte, real server, state, seconds left.
        templates = []
        for entry in self.templates.split(self.kernel.entries())[1].values():
            name = chr(ord("a") + int(entry.real[0].split(".")[3]) - 1)
            host = int(entry.client[0].split(".")[3])
            left = self.templates.left(entry, self.kernel.now)
            templates.append((host, f"{host}{name}{STATES[entry.state]}{left}"))
        self.write(f"({','.join(text for _, text in sorted(templates))})")


class Dropped(Settings):
    """New connections dropped by `drop_packet`, every n-th."""

    VALUES = {"drop_packet": (0, 3, 3), "am_droprate": (1, 2, 3, 7)}

    def begin(self):
        # The kernel counts on from one script to the next: after a dropped packet the next is
        # dropped, too, as the first of all is.
        self.kernel.sysctl("drop_packet", 3)
        self.kernel.sysctl("am_droprate", 1)
        self.kernel.wait(DEFENCE_S)
        syn = segment(*self.client(0), VIP, OTHER.port, FLAGS["s"], self.header(0))
        while self.kernel.exchange(syn):
            pass
        for name in self.VALUES:
            self.kernel.sysctl(name, SYSCTLS[name])
        self.kernel.wait(DEFENCE_S)
        super().begin()

    def do_sysctl(self):
        super().do_sysctl()
        self.passes(DEFENCE_S)


class StickyDropped(Dropped, Sticky):
    """The same with persistence."""

    KINDS = (*Sticky.KINDS, ("sysctl", 3))
    PASSES = Sticky.PASSES


class StickyDatagrams(Sticky, Datagrams):
    """The same with UDP."""

    KINDS = Sticky.KINDS
    PASSES = (5, 60, 150, 250, 310)


class OneByOne(Datagrams):
    """One-packet scheduling."""

    KINDS = (("pick", 60), ("client", 20), ("server", 5), ("weight", 5), ("limit", 2),
             ("delete", 3), ("return", 3), ("new", 2))

    def __init__(self, kernel, number, scheduler, seed, mode="nat"):
        super().__init__(kernel, number, scheduler, seed, mode, ops=True)


class AnyPort(Sticky):
    """A service of all ports beside a service of one port, which has real servers y and z."""

    PORTS = (80, 443, 8080)

    def __init__(self, kernel, number, scheduler, seed, mode="nat", **service):
        super().__init__(kernel, number, scheduler, seed, mode, port=0, **service)
        self.beside = self.service._replace(port=1000, persistence=0, scheduler="rr",
                                            fallback=False, bucket_port=False)
        self.head += " any-port"
        self.new.remove("y")
        self.new.remove("z")

    def vport(self, number):
        return (*self.PORTS, self.beside.port)[number % 4]

    def is_persistent(self, number):
        return self.vport(number) != self.beside.port

    def begin(self):
        self.kernel.set(SET_ADD, self.beside)
        for name in "yz":
            self.kernel.set_dest(
                SET_ADD_DEST, self.beside, (self.real(name)[0], 1000), self.mode, Dest(1, 0, 0))
        super().begin()

    def real(self, name):
        # Port 0: the one that the packet has.
        return super().real(name)[0], 0


class Marked(AnyPort):
    """A service by mark, which packets to three ports have."""

    def __init__(self, kernel, number, scheduler, seed, mode="nat", **service):
        super().__init__(kernel, number, scheduler, seed, mode, **service)
        self.service = self.service._replace(mark=number)
        self.head = self.head.replace(" any-port", " mark")

    def begin(self):
        self.kernel.mark("udp" if self.PROTO == UDP else "tcp", self.PORTS, self.service.mark)
        super().begin()


def families():
    """What there is: the file's name, the class, schedulers, and what else it is made with."""
    modes = ("nat", "dr", "tun")
    hash_free = ("rr", "wrr", "lc", "wlc", "sed", "nq")
    for mode in modes:
        yield f"walk-{mode}", Walk, ["rr"] * 4, {"mode": mode}
        yield f"udp-{mode}", Datagrams, ["rr", "wrr", "lc", "wlc", "sh", "mh,port"], {"mode": mode}
    yield "changes", Changes, ["rr", "wrr", "lc", "wlc", "sed", "nq", "sh", "mh"], {}
    for mode in modes:
        yield f"settings-{mode}", Settings, hash_free[:4], {"mode": mode}
    for seconds, mask in ((10, 32), (50, 28), (300, 24)):
        sticky = {"persistence": seconds, "mask": mask}
        yield f"persistence-{mask}", Sticky, hash_free, sticky
        yield f"persistence-udp-{mask}", StickyDatagrams, hash_free[:3], sticky
        yield f"any-port-{mask}", AnyPort, hash_free[:3], sticky
        yield f"mark-{mask}", Marked, hash_free[:3], sticky
    yield "mark", Marked, hash_free[:3], {}
    # DR cannot be seen: no connection says where a packet went.
    for mode in ("nat", "tun"):
        yield f"ops-{mode}", OneByOne, ["rr", "wlc"], {"mode": mode}
    yield "walk-half-closed", HalfClosed, ["rr"] * 2, {}
    for mode in ("nat", "dr"):
        yield f"walk-secure-{mode}", Secured, ["rr"] * 4, {"mode": mode}
    for mode in ("nat", "tun"):
        yield f"drop-{mode}", Dropped, hash_free[:4], {"mode": mode}
    yield "drop-persistence", StickyDropped, hash_free[:3], {"persistence": 50, "mask": 28}
