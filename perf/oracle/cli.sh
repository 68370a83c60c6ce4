#!/bin/sh
# Records what ipvsadm prints, and how it exits, with a real Linux IPVS: cases/*.sh, for perf/tests/netns.
# Each case is played whole, and without its lines that end in "# differs", which RVS answers
# otherwise (docs/IPVS-COMPATIBILITY.md). Boots the kernel that record.sh has fetched; takes some
# seconds. Needs ipvsadm. This is its first process, too.
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
		python3 "$here/insmod.py" "$(value ORACLE_MODULES)" dummy ip_vs ip_vs_rr ip_vs_wrr ip_vs_lc \
			ip_vs_wlc ip_vs_sed ip_vs_nq ip_vs_fo ip_vs_ovf ip_vs_lblc ip_vs_lblcr ip_vs_dh ip_vs_sh \
			ip_vs_mh ip_vs_pe_sip
		ip link set lo up
		ip link add d0 type dummy
		ip addr add 192.0.2.10/24 dev d0
		ip link set d0 up
		ip -6 addr add 2001:db8::10/64 dev d0 nodad
		for case in /mnt/*.sh; do
			echo 900 120 300 | xargs ipvsadm --set
			ipvsadm -C
			bash "$case" > "${case%.sh}.txt" 2>&1
		done
		echo complete
	} > /mnt/log 2>&1 || true
	echo o > /proc/sysrq-trigger
	sleep 1
	exit
fi
here=$(cd "$(dirname "$0")" && pwd)
cache=${RVS_ORACLE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rvs-oracle}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
for case in "$here"/cases/*.sh; do
	name=$(basename "$case" .sh)
	cp "$case" "$out/$name-whole.sh"
	grep -v '# differs' "$case" > "$out/$name.sh"
done
cc -O2 -Wall -Wextra -shared -fPIC -o "$out/xstate.so" "$here/xstate.c" -ldl
LD_PRELOAD=$out/xstate.so timeout 300 "$cache/uml/usr/bin/linux.uml" mem=256M root=/dev/root \
	rootfstype=hostfs ro init="$here/cli.sh" ORACLE_HERE="$here" ORACLE_OUT="$out" \
	ORACLE_MODULES="$(echo "$cache"/uml/usr/lib/uml/modules/*)" \
	con=null con0=fd:0,fd:1 < /dev/null > "$out/console" 2>&1 ||
	{ tail -n 20 "$out/console"; exit 1; }
if ! grep -qx complete "$out/log"; then
	cat "$out/log"
	exit 1
fi
cp "$out"/*.txt "$here/cases/"
