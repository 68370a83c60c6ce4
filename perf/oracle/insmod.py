"""Loads modules of the running kernel by name; the image has no tool for it. Usage: insmod.py DIRECTORY NAME..."""

import ctypes
import os
import sys

FINIT_MODULE, EEXIST = 313, 17


def main():
    directory, wanted = sys.argv[1], sys.argv[2:]
    libc = ctypes.CDLL(None, use_errno=True)
    paths = {}
    with open(f"{directory}/modules.dep") as file:
        for line in file:
            path, needs = line.split(":", 1)
            name = os.path.basename(path).removesuffix(".ko").replace("-", "_")
            paths[name] = [*reversed(needs.split()), path]
    for name in wanted:
        if name not in paths:
            sys.exit(f"this kernel has no module {name}")
        for path in paths[name]:
            fd = os.open(f"{directory}/{path}", os.O_RDONLY)
            if libc.syscall(FINIT_MODULE, fd, b"", 0) != 0 and ctypes.get_errno() != EEXIST:
                sys.exit(f"{path}: {os.strerror(ctypes.get_errno())}")
            os.close(fd)


main()
