#!/bin/sh
# Records what a real Linux IPVS chooses, for the tests in ctrl/src/conformance. Boots the kernel of
# Debian's user-mode-linux package as an ordinary process; takes two minutes. Needs gcc, python3
# and a Debian whose archive has the package. Its files are kept in $RVS_ORACLE_CACHE, by default
# ~/.cache/rvs-oracle. ONLY=walk-nat,mark records these files only.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
recorded=$here/../../ctrl/src/conformance/recorded
cache=${RVS_ORACLE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rvs-oracle}
mkdir -p "$cache/out" "$recorded"
linux=$cache/uml/usr/bin/linux.uml
if [ ! -x "$linux" ]; then
	(cd "$cache" && apt-get download user-mode-linux && dpkg -x user-mode-linux_*.deb uml)
fi
cc -O2 -Wall -Wextra -shared -fPIC -o "$cache/host.so" "$here/xstate.c" "$here/clock.c" -ldl
modules=$(echo "$cache"/uml/usr/lib/uml/modules/*)
rm -f "$cache"/out/*
# lpj: measuring the CPU takes long with a slow clock, and only short waits for devices need it.
timeout 1800 env LD_PRELOAD="$cache/host.so" "$linux" mem=512M root=/dev/root rootfstype=hostfs ro \
	lpj=25000000 init="$here/init.sh" ORACLE_HERE="$here" ORACLE_OUT="$cache/out" ORACLE_MODULES="$modules" \
	ORACLE_ONLY="${ONLY:-}" \
	con=null con0=fd:0,fd:1 < /dev/null > "$cache/console" 2>&1 ||
	{ tail -n 20 "$cache/console"; exit 1; }
if ! grep -qx complete "$cache/out/log"; then
	cat "$cache/out/log"
	exit 1
fi
cp "$cache"/out/*.txt "$recorded/"
echo "IPVS of Linux $(basename "$modules") recorded in $(cd "$recorded" && pwd)"
