#!/bin/sh
# The first process of the oracle's kernel: loads IPVS, records, and switches off.
. "$(dirname "$0")/boot.sh"
wake
{
	python3 "$here/insmod.py" "$modules" tun ip_vs ip_vs_rr ip_vs_wrr ip_vs_lc ip_vs_wlc \
		ip_vs_sed ip_vs_nq ip_vs_fo ip_vs_ovf ip_vs_lblc ip_vs_lblcr ip_vs_dh ip_vs_sh ip_vs_mh \
		sch_ingress cls_flower act_skbedit &&
		PYTHONDONTWRITEBYTECODE=1 python3 "$here/record.py" /mnt $(value ORACLE_ONLY | tr , ' ')
} > /mnt/log 2>&1
switch_off
