"""`Timed`: a script in which time passes, and counters are compared."""

from ipvs import SET_ADD_DEST
from packets import TCP, UDP
from scripts import Script

STATES = {"NONE": "NO", "ESTABLISHED": "ES", "SYN_SENT": "SS", "SYN_RECV": "SR", "FIN_WAIT": "FW",
          "TIME_WAIT": "TW", "CLOSE": "CL", "CLOSE_WAIT": "CW", "LAST_ACK": "LA", "LISTEN": "LI",
          "SYNACK": "SA", "UDP": "UD", "ASSURED": "AS"}
# Steps without time in between, and how much must be left of every connection before them: they
# take 20 ms each. A connection that ends meanwhile would do so late in Linux, whose timers become
# coarser the longer they run, and on time in RVS.
PART = 50
LEFT_S_MIN = 3
# A real server that was removed, and has no connections any more, is forgotten with its counters:
# not before the first of these, not after the second.
REMEMBERED_S, FORGOTTEN_S = 100, 300


class Timed(Script):
    """Lets time pass only to moments at which Linux and RVS have the same connections."""

    STEPS = 300
    WAITS = ()
    # Seconds that pass at once.
    PASSES = (1, 2, 5, 8, 11, 20, 40, 65, 130, 310)
    PROTO = TCP

    def __init__(self, kernel, number, scheduler, seed, mode="nat", **service):
        super().__init__(kernel, number, scheduler, seed, mode)
        self.service = self.service._replace(proto=self.PROTO, **service)
        words = [*scheduler.split(","), mode] + ["udp"] * (self.PROTO == UDP)
        words += [f"persistence={self.service.persistence}/{self.service.mask}"
                  ] * (self.service.persistence > 0)
        words += ["ops"] * self.service.ops
        self.head = f"# {number} {' '.join(words)}"
        self.since = 0
        # When a removed real server had connections for the last time, at least and at most.
        self.missed = {}

    def step(self, number, letter):
        super().step(number, letter)
        self.since += 1

    def do_pick(self):
        super().do_pick()
        self.since += 1

    def event(self, letters, weights):
        # In DR and TUN real servers answer their clients themselves.
        if self.mode == "nat" or not letters.isupper():
            super().event(letters, weights)

    def do_pass(self):
        self.passes(self.random.choice(self.PASSES))

    def do_delete(self):
        before = set(self.gone)
        super().do_delete()
        for name in set(self.gone) - before:
            self.missed[name] = [self.kernel.now] * 2

    def look_for_removed(self):
        held = {entry.real[0] for entry in self.kernel.entries()}
        for name, times in self.missed.items():
            if self.real(name)[0] in held:
                times[:] = [self.kernel.now] * 2
            elif times[0] == times[1]:
                times[1] = self.kernel.now

    def may_return(self):
        self.look_for_removed()
        now = self.kernel.now
        return [name for name in sorted(self.gone)
                if now - self.missed[name][0] < REMEMBERED_S
                or now - self.missed[name][1] > FORGOTTEN_S]

    def text(self, dest):
        """With `z` for a real server that was forgotten."""
        return super().text(dest) + self.zeroed

    def put(self, name, dest, option, sign):
        missed = self.missed.pop(name, None) if option == SET_ADD_DEST else None
        forgotten = missed and self.kernel.now - missed[1] > FORGOTTEN_S
        self.zeroed = "z" * bool(forgotten)
        super().put(name, dest, option, sign)

    def passes(self, seconds):
        # Before and after: between, nobody knows.
        self.look_for_removed()
        self.wait(seconds)
        # Two rounds: RVS looks at what has ended once a second.
        quiet = 0
        while quiet < 2:
            quiet = quiet + 1 if self.is_quiet() else 0
            self.look_for_removed()
            self.wait(1)
            seconds += 1
        self.write(f"~{seconds}")
        self.since = 0

    def wait(self, seconds):
        self.kernel.wait(seconds)

    def is_quiet(self):
        """Whether nothing ends soon, or should have."""
        return all(entry.left >= LEFT_S_MIN for entry in self.kernel.entries())

    def check(self):
        # The kernel adds its counters up every 2 s.
        self.passes(2)
        super().check()
        dests = self.kernel.dests(self.service)
        each = [(name, dests[self.real(name)[0]][3]) for name in sorted(self.pool)]
        each.append(("", self.kernel.service_stats(self.service)))
        texts = (name + "/".join(str(n) for n in stats[:5]) for name, stats in each)
        self.write(f"{{{','.join(texts)}}}")
        for number, real in enumerate(self.clients):
            if real and number % 7 == len(self.clients) % 7:
                self.write(f"{number}?{self.state(number)}")

    def state(self, number):
        """State and seconds left of a client's connection, as they are written."""
        entry = self.entry(number)
        return f":{STATES[entry.state]}{entry.left}" if entry else ":-"
