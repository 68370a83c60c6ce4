#!/bin/sh
# Records what a real Linux IPVS does with SCTP (sctp.py), for dataplane/tests/director. Boots the
# kernel that record.sh has fetched; takes some seconds. This is its first process, too.
set -eu
. "$(dirname "$0")/boot.sh"
if [ $$ = 1 ]; then
	wake
	{
		python3 "$here/insmod.py" "$modules" tun ip_vs ip_vs_rr &&
			PYTHONDONTWRITEBYTECODE=1 python3 "$here/sctp.py" /mnt
	} > /mnt/log 2>&1 || true
	switch_off
fi
here=$(cd "$(dirname "$0")" && pwd)
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
cc -O2 -Wall -Wextra -shared -fPIC -o "$out/xstate.so" "$here/xstate.c" -ldl
boot "$here/sctp.sh" "$out" 300 "$out/xstate.so" mem=256M
cp "$out/sctp.txt" "$here/../../dataplane/tests/director/recorded/"
