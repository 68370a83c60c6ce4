"""Plays all scripts against the IPVS of this kernel. Usage: record.py DIRECTORY [FILE...]"""

import itertools
import sys
import textwrap
import time
import traceback

from families import families
from ipvs import Kernel
from scripts import Script

SEED = 1
EACH = 12
FLAGS = ("", ",fallback", ",port", ",fallback,port")
SCHEDULERS = ["rr", "wrr", "lc", "wlc", "sed", "nq", "fo", "ovf", "lblc", "lblcr", "dh"]
SCHEDULERS += [f"{name}{flags}" for name in ("sh", "mh") for flags in FLAGS]
COLUMNS = 100


def wrapped(words):
    return textwrap.wrap(
        " ".join(words), COLUMNS, break_long_words=False, break_on_hyphens=False)


def made(kernel):
    """All scripts, each with the name of its file."""
    numbers = itertools.count()
    for name in SCHEDULERS:
        for _ in range(EACH):
            yield name.split(",")[0], Script(kernel, next(numbers), name, SEED)
    for name, family, schedulers, settings in families():
        for scheduler in schedulers:
            yield name, family(kernel, next(numbers), scheduler, SEED, **settings)


def main():
    only = sys.argv[2:]
    kernel, files = Kernel(), {}
    for name, script in made(kernel):
        if only and name not in only:
            continue
        began = time.monotonic()
        script.play()
        print(f"{name}, script {script.number}: {time.monotonic() - began:.0f} s", flush=True)
        files.setdefault(name, []).append("\n".join([script.head, *wrapped(script.words)]))
    for name, texts in files.items():
        with open(f"{sys.argv[1]}/{name}.txt", "w") as file:
            file.write("\n".join(texts) + "\n")
    print("complete")


try:
    main()
except Exception:
    traceback.print_exc(file=sys.stdout)
