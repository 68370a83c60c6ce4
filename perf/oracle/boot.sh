# What the recorders share, for them to source. `boot` starts the oracle's kernel; `wake`, `value` and
# `switch_off` are for the script that is its first process.
cache=${RVS_ORACLE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rvs-oracle}

# boot SCRIPT OUT SECONDS LIBRARY [ARGUMENT...]: boots the kernel that record.sh has fetched, with
# LIBRARY preloaded, SCRIPT as its first process, OUT for what that writes, and further arguments of
# the kernel. Ends this script unless SCRIPT says `complete` within SECONDS.
boot() {
	script=$1 out=$2 seconds=$3 library=$4
	shift 4
	modules=$(echo "$cache"/uml/usr/lib/uml/modules/*)
	timeout "$seconds" env LD_PRELOAD="$library" "$cache/uml/usr/bin/linux.uml" root=/dev/root \
		rootfstype=hostfs ro init="$script" ORACLE_HERE="$here" ORACLE_OUT="$out" \
		ORACLE_MODULES="$modules" "$@" \
		con=null con0=fd:0,fd:1 < /dev/null > "$out/console" 2>&1 ||
		{ tail -n 20 "$out/console"; exit 1; }
	if ! grep -qx complete "$out/log"; then
		cat "$out/log"
		exit 1
	fi
}

# value NAME: what the kernel's command line says of it.
value() { tr ' ' '\n' < /proc/cmdline | sed -n "s/^$1=//p"; }

# Mounts what a first process needs, and the directory for what it writes at /mnt.
wake() {
	export PATH=/usr/sbin:/usr/bin:/sbin:/bin
	mount -t proc proc /proc
	mount -t sysfs sys /sys
	mount -t tmpfs run /run
	mount -t tmpfs mnt /mnt
	here=$(value ORACLE_HERE)
	modules=$(value ORACLE_MODULES)
	mount -t hostfs out /mnt -o "$(value ORACLE_OUT)"
	# It sees the host's /dev, read only; its own has the devices of its modules.
	mountpoint -q /dev || mount -t devtmpfs dev /dev
}

switch_off() {
	echo o > /proc/sysrq-trigger
	sleep 1
	exit
}
