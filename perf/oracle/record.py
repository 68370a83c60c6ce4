"""Plays all scripts against the IPVS of this kernel. Usage: record.py DIRECTORY"""

import sys
import textwrap
import time
import traceback

from ipvs import Kernel
from scripts import WAIT_S, WAITS, Script

SEED = 1
EACH = 12
# Scripts that wait together; from first to last no connection but closed ones must end (60 s).
GROUP = 24
GROUP_S_MAX = 55
FLAGS = ("", ",fallback", ",port", ",fallback,port")
SCHEDULERS = ["rr", "wrr", "lc", "wlc", "sed", "nq", "fo", "ovf", "lblc", "lblcr", "dh"]
SCHEDULERS += [f"{name}{flags}" for name in ("sh", "mh") for flags in FLAGS]
COLUMNS = 100


def wrapped(words):
    return textwrap.wrap(
        " ".join(words), COLUMNS, break_long_words=False, break_on_hyphens=False)


def group(scripts):
    began = time.monotonic()
    playing = [script.play() for script in scripts]
    for part in range(len(WAITS) + 1):
        for one in playing:
            next(one, None)
        if part < len(WAITS):
            time.sleep(WAIT_S)
    took = time.monotonic() - began
    print(f"{len(scripts)} scripts up to {scripts[-1].number} in {took:.1f} s", flush=True)
    if took > GROUP_S_MAX:
        raise RuntimeError(f"a group took {took:.1f} s: the machine is too busy, try again")


def main():
    kernel, files = Kernel(), {}
    names = [name for name in SCHEDULERS for _ in range(EACH)]
    scripts = [Script(kernel, n, name, SEED) for n, name in enumerate(names)]
    for first in range(0, len(scripts), GROUP):
        group(scripts[first:first + GROUP])
    for script in scripts:
        script.write("")
        files.setdefault(script.name, []).append("\n".join([script.head, *wrapped(script.words)]))
    for name, texts in files.items():
        with open(f"{sys.argv[1]}/{name}.txt", "w") as file:
            file.write("\n".join(texts) + "\n")
    print("complete")


try:
    main()
except Exception:
    traceback.print_exc(file=sys.stdout)
