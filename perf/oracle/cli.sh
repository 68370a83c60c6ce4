#!/bin/sh
# Records what ipvsadm prints, and how it exits, with a real Linux IPVS: cases/*.sh, for perf/tests/netns.
# Each case is played whole, and without its lines that end in "# differs", which RVS answers
# otherwise (docs/IPVS-COMPATIBILITY.md). The order without sorting, in the whole cases only, changes
# from boot to boot. Boots the kernel that record.sh has fetched; takes some
# seconds. Needs ipvsadm. This is its first process, too.
set -eu
. "$(dirname "$0")/boot.sh"
if [ $$ = 1 ]; then
	wake
	{
		python3 "$here/insmod.py" "$modules" dummy ip_vs ip_vs_rr ip_vs_wrr ip_vs_lc \
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
	switch_off
fi
here=$(cd "$(dirname "$0")" && pwd)
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
for case in "$here"/cases/*.sh; do
	name=$(basename "$case" .sh)
	cp "$case" "$out/$name-whole.sh"
	grep -v '# differs' "$case" > "$out/$name.sh"
done
cc -O2 -Wall -Wextra -shared -fPIC -o "$out/xstate.so" "$here/xstate.c" -ldl
boot "$here/cli.sh" "$out" 300 "$out/xstate.so" mem=256M
cp "$out"/*.txt "$here/cases/"
