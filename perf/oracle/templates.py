"""When persistence templates would end, did Linux' timers fire at the moment that was set.

They fire late: a timer further away than 40 s comes in steps of 5 s (at 100 ticks a second). A
template whose timer fires while it controls connections goes on for a minute from then, so each
minute makes it later. RVS counts from the moment that was set. Scripts go on only where both have
the same templates: `Templates` follows what would be without the delay.
"""

import ipaddress

RETRY_S = 60
# What is nearer than this to a moment may be before or after it.
UNSURE_S = 0.1
# More than this makes two deadlines differ; the kernel shows whole seconds.
SAME_S = 1.1


class Template:
    """One of them. Deadlines are moments of the kernel's clock; None is the end."""

    def __init__(self, lifetime):
        self.lifetime = lifetime
        self.deadlines = {None}
        self.is_fresh = False

    def use(self, now):
        self.deadlines = {now + self.lifetime}
        self.is_fresh = True

    def pass_to(self, now, held_until):
        """`held_until` is when the last of its connections ends: not before the first moment, and
        not after the second. None if there is none."""
        while due := [d for d in self.deadlines if d and d <= now]:
            deadline = due[0]
            self.deadlines.remove(deadline)
            if held_until and held_until[1] + UNSURE_S > deadline:
                self.deadlines.add(deadline + RETRY_S)
                self.lifetime = RETRY_S
                self.is_fresh = False
            if not held_until or held_until[0] - UNSURE_S < deadline:
                self.deadlines.add(None)


class Templates:
    """Those of a script with one persistent service, by the masked address of their clients."""

    def __init__(self, service):
        self.service = service
        self.each = {}
        # The template of each connection, by the client.
        self.of = {}

    def network(self, client):
        return str(ipaddress.ip_network(f"{client[0]}/{self.service.mask}", False)[0])

    @staticmethod
    def split(entries):
        """Connections, and templates that may be used by their network."""
        usable = {e.client[0]: e for e in entries if e.client[1] == 0 and e.vip[1] != 65535}
        return [e for e in entries if e.client[1] != 0], usable

    def sent(self, client, before, after, now):
        """Takes note of a client's packet: the entries before and after it."""
        _, usable = self.split(after)
        network = self.network(client)
        if network not in usable:
            # It was found to be void.
            self.each.pop(network, None)
        if client in {e.client for e in before} or client not in {e.client for e in after}:
            return
        if network not in usable:
            raise RuntimeError(f"{client} has a connection without a template")
        was = self.split(before)[1].get(network)
        if was is None or was.real != usable[network].real or network not in self.each:
            self.each[network] = Template(self.service.persistence)
        self.each[network].use(now)
        self.of[client] = self.each[network]

    def passed(self, before, then, now):
        """Takes note of time that passed; `before` are the entries at the moment `then`."""
        ends = {}
        for entry in self.split(before)[0]:
            if entry.client in self.of:
                # With no second left, it may be long past its end.
                since = then + entry.left if entry.left else 0
                ends.setdefault(id(self.of[entry.client]), []).append(
                    (since, then + entry.left + 1))
        for template in self.each.values():
            times = ends.get(id(template))
            template.pass_to(now, times and tuple(map(max, zip(*times))))
        self.each = {network: template for network, template in self.each.items()
                     if template.deadlines != {None}}

    def is_quiet(self, entries, now, margin):
        """Whether Linux has the templates that there would be, and none of those that are free to
        go does so within `margin` seconds."""
        connections, usable = self.split(entries)
        if usable.keys() != self.each.keys():
            return False
        held = {id(self.of[e.client]) for e in connections if e.client in self.of}
        return all(
            None not in template.deadlines
            and (id(template) in held
                 or usable[network].left >= margin and min(template.deadlines) >= now + margin)
            for network, template in self.each.items())

    def left(self, entry, now):
        """The seconds that a template has left, as they are written: `*` if they were counted from
        the moment at which a timer fired."""
        template = self.each[entry.client[0]]
        lateness = min(abs(d - now - entry.left) for d in template.deadlines if d)
        return str(entry.left) if template.is_fresh and lateness < SAME_S else "*"
