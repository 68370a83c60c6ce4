# Commands and listings of ipvsadm; recorded by cli.sh.
: "${T:=/run}"
r() { echo "\$ $*"; "$@" >$T/o 2>$T/e; local rc=$?; sed 's/$/|/' $T/o; sed 's/^/ERR> /; s/$/|/' $T/e; echo "rc=$rc"; }
r ipvsadm -A -t 192.0.2.10:80 -s rr
r ipvsadm -a -t 192.0.2.10:80 -r 192.0.2.101:8080 -m -w 3
r ipvsadm -a -t 192.0.2.10:80 -r 192.0.2.102
r ipvsadm -a -t 192.0.2.10:80 -r 192.0.2.103:80 -i -x 100 -y 50
r ipvsadm -a -t 192.0.2.10:80 -r 192.0.2.104 -i --tun-type gue --tun-port 6080
r ipvsadm -a -t 192.0.2.10:80 -r 192.0.2.105 -i --tun-type gue --tun-port 6080 --tun-csum
r ipvsadm -a -t 192.0.2.10:80 -r 192.0.2.106 -i --tun-type gue --tun-port 6080 --tun-remcsum
r ipvsadm -a -t 192.0.2.10:80 -r 192.0.2.107 -i --tun-type gre
r ipvsadm -a -t 192.0.2.10:80 -r 192.0.2.108 -i --tun-type gre --tun-csum
r ipvsadm -a -t 192.0.2.10:80 -r 192.0.2.10 -g
r ipvsadm -A -t 192.0.2.10:443 -s wlc -p
r ipvsadm -A -t 192.0.2.10:0 -s wrr -p 600 -M 255.255.255.0
r ipvsadm -A -u 192.0.2.10:53 -s rr -o
r ipvsadm -A -u 192.0.2.10:5060 -s rr -p 60 --pe sip -o
r ipvsadm -A -f 7 -s sh -b sh-fallback,sh-port
r ipvsadm -a -f 7 -r 192.0.2.101:0 -g
r ipvsadm -A -f 8 -6 -s mh -b mh-port -p 100 -M 64 # differs: IPv6
r ipvsadm -a -f 8 -6 -r [2001:db8::101]:0 -g -w 2 # differs: IPv6
r ipvsadm -A -t [2001:db8::10]:80 -s mh -b mh-fallback # differs: IPv6
r ipvsadm -a -t [2001:db8::10]:80 -r [2001:db8::101]:80 -m # differs: IPv6
r ipvsadm -a -t [2001:db8::10]:80 -r 192.0.2.101:80 -i # differs: IPv6
r ipvsadm --add-service --sctp-service 192.0.2.10:132 --scheduler lc
r ipvsadm -A -t 192.0.2.10:81
r ipvsadm -A -t 192.0.2.10:82 -s wrr -b flag-1,flag-3
r ipvsadm -A -t localhost:http -s rr
r ipvsadm -Ln
r ipvsadm -ln --nosort # differs: order
r ipvsadm
r ipvsadm -L
r ipvsadm -Ln --stats
r ipvsadm -Ln --rate
r ipvsadm -Ln --thresholds
r ipvsadm -Ln --persistent-conn
r ipvsadm -Ln --tun-info
r ipvsadm -Ln --stats --exact
r ipvsadm -Ln --rate --stats
r ipvsadm -Ln -t 192.0.2.10:80
r ipvsadm -Ln -u 192.0.2.10:99
r ipvsadm -Ln -f 7
r ipvsadm -Ln --timeout
r ipvsadm --set 1 2 3
r ipvsadm -L --timeout
r ipvsadm --set 0 0 300
r ipvsadm -L --timeout
r ipvsadm --set 900 120
r ipvsadm --set 900 120 300 4
r ipvsadm --set -1 2 3
r ipvsadm --set 99999999 2 3
r ipvsadm -Lnc
r ipvsadm -Lnc --persistent-conn
r ipvsadm -Ln --daemon
r ipvsadm -S -n
r ipvsadm -S
r ipvsadm-save -n
cat /proc/net/ip_vs # differs: order
cat /proc/net/ip_vs_conn
cat /proc/net/ip_vs_conn_sync
cat /proc/net/ip_vs_stats
cat /proc/net/ip_vs_stats_percpu # differs: CPUs
