"""Plays all scripts against the IPVS of this kernel. Usage: record.py DIRECTORY"""

import sys
import textwrap
import traceback

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


def main():
    kernel, files = Kernel(), {}
    names = [name for name in SCHEDULERS for _ in range(EACH)]
    scripts = [Script(kernel, n, name, SEED) for n, name in enumerate(names)]
    for script in scripts:
        script.play()
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
