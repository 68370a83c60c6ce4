#!/bin/sh
# Times of the control plane with many services, on a running director without traffic: what an
# operator's commands and a scrape of all metrics take, from the outside, each beside the same without
# services. `make bench-control`; takes two minutes. SERVICES and EACH (real servers of each) say how many.
set -eu
: "${SERVICES:=10000}" "${EACH:=10}" "${ROUNDS:=5}"
here=$(cd "$(dirname "$0")/.." && pwd)
bin=$here/target/release
dir=$(mktemp -d)
export RVS_SOCKET=$dir/rvs.sock
daemon=
finish() {
	[ -z "$daemon" ] || kill "$daemon"
	wait
	rm -rf "$dir"
}
trap finish EXIT
trap 'exit 1' INT TERM

# file COUNT SERIES: a configuration with so many services, and series for so many real servers.
# Nothing is received: no-rx.
file() {
	cat <<-end
		version: 1
		dpdk: {memory: 64M, eal_args: [--no-huge]}
		workers: [$(($(nproc) - 1))]
		limits: {flows: 100000}
		metrics: {real_servers: $2}
		control: {socket: $RVS_SOCKET}
		ports:
		  wan: {device: "net_null0,no-rx=1", addresses: [192.0.2.2/24], rx_descriptors: 64}
		  lan: {device: "net_null1,no-rx=1", addresses: [10.0.0.2/8], rx_descriptors: 64}
		routes: [{to: 0.0.0.0/0, via: 192.0.2.1}]
		services:$([ "$1" -gt 0 ] || echo ' {}')
	end
	awk -v count="$1" -v each="$EACH" 'BEGIN { for (service = 0; service < count; service++) {
		place = int(service / 250) "." service % 250 + 1
		printf "  service-%05d:\n    vip: 172.16.%s:443\n    protocol: tcp\n    mode: nat\n", service, place
		print "    real_servers:"
		for (real = 1; real <= each; real++) printf "    - {address: 10.%d.%s:8443}\n", real, place
	} }'
}

# The same as commands of ipvsadm.
rules() {
	awk -v count="$SERVICES" -v each="$EACH" 'BEGIN { for (service = 0; service < count; service++) {
		place = int(service / 250) "." service % 250 + 1
		printf "-A -t 172.16.%s:443 -s wlc\n", place
		for (real = 1; real <= each; real++)
			printf "-a -t 172.16.%s:443 -r 10.%d.%s:8443 -m -w 1\n", place, real, place
	} }'
}

# timed NAME BEFORE COMMAND: how long COMMAND takes, BEFORE done before each round; in ms.
timed() {
	name=$1 before=$2 command=$3 round=0
	: > "$dir/times"
	while [ "$round" -lt "$ROUNDS" ]; do
		eval "$before" > /dev/null
		start=$(date +%s%N)
		eval "$command" > /dev/null
		echo $((($(date +%s%N) - start) / 1000)) >> "$dir/times"
		round=$((round + 1))
	done
	eval "$before" > /dev/null
	bytes=$(eval "$command" | wc -c)
	sort -n "$dir/times" | awk -v name="$name" -v bytes="$bytes" '{ all[NR] = $1 / 1000 } END {
		printf "| %s | %.1f | %.1f-%.1f | %.1f |\n", name, all[int((NR + 1) / 2)], all[1], all[NR], bytes / 1e6
	}'
}

scrape='curl -sf --unix-socket $RVS_SOCKET http://rvs/metrics'
readings() {
	timed "scrape of /metrics$1" : "$scrape"
	timed "rvs show services$1" : '$bin/rvs show services'
	timed "ipvsadm -Ln$1" : '$bin/rvsadm -Ln'
	timed "ipvsadm -S$1" : '$bin/rvsadm -S -n'
}

file 0 10000 > "$dir/none.yaml"
file "$SERVICES" 10000 > "$dir/many.yaml"
file "$SERVICES" none > "$dir/sums.yaml"
file "$SERVICES" all > "$dir/all.yaml"
rules > "$dir/rules"
commands=$(wc -l < "$dir/rules")
"$bin/rvs" run --config "$dir/none.yaml" > "$dir/log" 2>&1 &
daemon=$!
until [ -S "$RVS_SOCKET" ]; do
	kill -0 "$daemon" || { cat "$dir/log"; exit 1; }
	sleep 0.1
done
echo "$SERVICES services with $EACH real servers each; $(nproc) CPUs; medians of $ROUNDS"
echo
echo "| what | ms | least to most | MB |"
echo "|---|---|---|---|"
readings ", no services"
apply_none='$bin/rvs apply $dir/none.yaml'
apply_many='$bin/rvs apply $dir/many.yaml'
timed "rvs apply of nothing new" : "$apply_none"
timed "rvs apply of all services" "$apply_none" "$apply_many"
readings ""
"$bin/rvs" apply "$dir/sums.yaml" > /dev/null
timed "scrape with sums of services alone" : "$scrape"
"$bin/rvs" apply "$dir/all.yaml" > /dev/null
timed "scrape with all real servers" : "$scrape"
"$bin/rvs" apply "$dir/many.yaml" > /dev/null
timed "rvs plan without a change" : '$bin/rvs plan $dir/many.yaml'
timed "rvs set of one weight" : '$bin/rvs set service-00000 10.1.0.1 weight=$((round + 2))'
timed "ipvsadm -R, $commands commands" "$apply_none" '$bin/rvsadm -R < $dir/rules'
test "$("$bin/rvsadm" -S -n | wc -l)" -eq "$commands"
