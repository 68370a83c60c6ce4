#!/bin/sh
# The first process of the oracle's kernel: loads IPVS, records, and switches off. Names of
# directories come from the kernel's command line.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs run /run
mount -t tmpfs mnt /mnt
value() { tr ' ' '\n' < /proc/cmdline | sed -n "s/^$1=//p"; }
here=$(value ORACLE_HERE)
modules=$(value ORACLE_MODULES)
mount -t hostfs out /mnt -o "$(value ORACLE_OUT)"
{
	# It sees the host's /dev, read only; its own has the devices of its modules.
	mountpoint -q /dev || mount -t devtmpfs dev /dev
	python3 "$here/insmod.py" "$modules" tun ip_vs ip_vs_rr ip_vs_wrr ip_vs_lc ip_vs_wlc \
		ip_vs_sed ip_vs_nq ip_vs_fo ip_vs_ovf ip_vs_lblc ip_vs_lblcr ip_vs_dh ip_vs_sh ip_vs_mh \
		sch_ingress cls_flower act_skbedit &&
		PYTHONDONTWRITEBYTECODE=1 python3 "$here/record.py" /mnt $(value ORACLE_ONLY | tr , ' ')
} > /mnt/log 2>&1
echo o > /proc/sysrq-trigger
sleep 1
