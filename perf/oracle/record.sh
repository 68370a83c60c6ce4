#!/bin/sh
# Records what a real Linux IPVS chooses, for the tests in ctrl/src/conformance. Boots the kernel of
# Debian's user-mode-linux package as an ordinary process; takes two minutes. Needs gcc, python3
# and a Debian whose archive has the package. Its files are kept in $RVS_ORACLE_CACHE, by default
# ~/.cache/rvs-oracle. ONLY=walk-nat,mark records these files only.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
recorded=$here/../../ctrl/src/conformance/recorded
. "$here/boot.sh"
mkdir -p "$cache/out" "$recorded"
if [ ! -x "$cache/uml/usr/bin/linux.uml" ]; then
	(cd "$cache" && apt-get download user-mode-linux && dpkg -x user-mode-linux_*.deb uml)
fi
cc -O2 -Wall -Wextra -shared -fPIC -o "$cache/host.so" "$here/xstate.c" "$here/clock.c" -ldl
rm -f "$cache"/out/*
# lpj: measuring the CPU takes long with a slow clock, and only short waits for devices need it.
boot "$here/init.sh" "$cache/out" 1800 "$cache/host.so" mem=512M lpj=25000000 ORACLE_ONLY="${ONLY:-}"
cp "$cache"/out/*.txt "$recorded/"
echo "IPVS of Linux $(basename "$modules") recorded in $(cd "$recorded" && pwd)"
