#!/bin/sh
# Records what a real Linux IPVS does with SCTP (sctp.py), for dataplane/tests/director. Boots the
# kernel that record.sh has fetched; takes some seconds. This is its first process, too.
set -eu
if [ $$ = 1 ]; then
	export PATH=/usr/sbin:/usr/bin:/sbin:/bin
	mount -t proc proc /proc
	mount -t sysfs sys /sys
	mount -t tmpfs run /run
	mount -t tmpfs mnt /mnt
	value() { tr ' ' '\n' < /proc/cmdline | sed -n "s/^$1=//p"; }
	here=$(value ORACLE_HERE)
	mount -t hostfs out /mnt -o "$(value ORACLE_OUT)"
	mountpoint -q /dev || mount -t devtmpfs dev /dev
	{
		python3 "$here/insmod.py" "$(value ORACLE_MODULES)" tun ip_vs ip_vs_rr &&
			PYTHONDONTWRITEBYTECODE=1 python3 "$here/sctp.py" /mnt
	} > /mnt/log 2>&1 || true
	echo o > /proc/sysrq-trigger
	sleep 1
	exit
fi
here=$(cd "$(dirname "$0")" && pwd)
cache=${RVS_ORACLE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rvs-oracle}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
cc -O2 -Wall -Wextra -shared -fPIC -o "$out/xstate.so" "$here/xstate.c" -ldl
LD_PRELOAD=$out/xstate.so timeout 300 "$cache/uml/usr/bin/linux.uml" mem=256M root=/dev/root \
	rootfstype=hostfs ro init="$here/sctp.sh" ORACLE_HERE="$here" ORACLE_OUT="$out" \
	ORACLE_MODULES="$(echo "$cache"/uml/usr/lib/uml/modules/*)" \
	con=null con0=fd:0,fd:1 < /dev/null > "$out/console" 2>&1 ||
	{ tail -n 20 "$out/console"; exit 1; }
if ! grep -qx complete "$out/log"; then
	cat "$out/log"
	exit 1
fi
cp "$out/sctp.txt" "$here/../../dataplane/tests/director/recorded/"
