# What ipvsadm refuses, and how; recorded by cli.sh.
: "${T:=/run}"
r() { echo "\$ $*"; "$@" >$T/o 2>$T/e; local rc=$?; sed 's/$/|/' $T/o; sed 's/^/ERR> /; s/$/|/' $T/e; echo "rc=$rc"; }
S=192.0.2.10:80
r ipvsadm -A -t $S -s rr
r ipvsadm -A -t $S -s rr
r ipvsadm -A -t 192.0.2.10:90 -s bogus
r ipvsadm -A -t 192.0.2.10:90 -s twos # differs: twos
r ipvsadm -A -t 192.0.2.10:90 --pe bogus
r ipvsadm -A -t 192.0.2.10:90 --pe sip # differs: engine
r ipvsadm -Ln -t 192.0.2.10:90
r ipvsadm -A -t 192.0.2.10
r ipvsadm -A -t 192.0.2.10:0
r ipvsadm -A -t 192.0.2.10:91 -o
r ipvsadm -A -t 192.0.2.10:70000
r ipvsadm -A -t 192.0.2.10:-1
r ipvsadm -A -t 192.0.2.10:nosuchport
r ipvsadm -A -t 300.0.2.10:80
r ipvsadm -A -t 80
r ipvsadm -A -t [2001:db8::10
r ipvsadm -A -t [2001:db8::10]
r ipvsadm -A -t 2001:db8::10 -p # differs: IPv6
r ipvsadm -A -t 2001:db8::10:90
r ipvsadm -A
r ipvsadm -A -s rr
r ipvsadm -A -t $S -t $S
r ipvsadm -A -t $S -u $S
r ipvsadm -A -E -t $S
r ipvsadm -A -t $S -r 1.2.3.4
r ipvsadm -A -t $S -w 1
r ipvsadm -A -t $S -n
r ipvsadm -a -t $S
r ipvsadm -a -t $S -r
r ipvsadm -a -t $S -r bogus..
r ipvsadm -a -t $S -r 80
r ipvsadm -a -t $S -r 192.0.2.101:80
r ipvsadm -a -t $S -r 192.0.2.101:80
r ipvsadm -a -t $S -r 192.0.2.101:8080 -m
r ipvsadm -a -t $S -r 192.0.2.102:8080
r ipvsadm -a -t $S -r 192.0.2.103:8080 -i
r ipvsadm -a -t $S -r 192.0.2.103:8080 -m -g
r ipvsadm -a -t $S -r 192.0.2.104 -w -1
r ipvsadm -a -t $S -r 192.0.2.104 -w=-1
r ipvsadm -a -t $S -r 192.0.2.104 -w 65536
r ipvsadm -a -t $S -r 192.0.2.105 -w 2147483647
r ipvsadm -a -t $S -r 192.0.2.106 -w 2147483648
r ipvsadm -a -t $S -r 192.0.2.106 -w abc
r ipvsadm -a -t $S -r 192.0.2.107 -x 10 -y 20
r ipvsadm -a -t $S -r 192.0.2.107 -x 10 -y 10
r ipvsadm -a -t $S -r 192.0.2.108 -x 99999999999
r ipvsadm -a -t $S -r 192.0.2.108 -y abc
r ipvsadm -a -t $S -r 224.0.0.1
r ipvsadm -a -t $S -r 255.255.255.255
r ipvsadm -a -t $S -r 0.0.0.0
r ipvsadm -a -t $S -r 127.0.0.1
r ipvsadm -a -t $S -r 192.0.2.255
r ipvsadm -a -t $S -r [2001:db8::1]:80 -m
r ipvsadm -a -t $S -r [2001:db8::1]:80 -i # differs: IPv6
r ipvsadm -a -t $S -r 192.0.2.120 -m --tun-type gre
r ipvsadm -a -t $S -r 192.0.2.120 -i --tun-type gue
r ipvsadm -a -t $S -r 192.0.2.120 -i --tun-type bogus
r ipvsadm -a -t $S -r 192.0.2.120 -i --tun-type gre --tun-port 99
r ipvsadm -a -t $S -r 192.0.2.120 -i --tun-type gre --tun-csum --tun-nocsum
r ipvsadm -a -t $S -r 192.0.2.120 -i --tun-type gre --tun-remcsum
r ipvsadm -a -t $S -r 192.0.2.120 -i --tun-csum
r ipvsadm -a -t $S -r 192.0.2.120 -i --tun-type gue --tun-port 0
r ipvsadm -a -t 192.0.2.10:99 -r 192.0.2.1
r ipvsadm -e -t 192.0.2.10:99 -r 192.0.2.1
r ipvsadm -e -t $S -r 192.0.2.1
r ipvsadm -e -t $S -r 192.0.2.101 -w 5
r ipvsadm -e -t $S -r 192.0.2.101
r ipvsadm -d -t $S -r 192.0.2.1
r ipvsadm -d -t 192.0.2.10:99 -r 192.0.2.1
r ipvsadm -d -t $S -r 192.0.2.101 -w 1
r ipvsadm -d -t $S -r 192.0.2.101
r ipvsadm -D -t 192.0.2.10:99
r ipvsadm -D -t $S -s rr
r ipvsadm -E -t 192.0.2.10:99
r ipvsadm -E -t $S
r ipvsadm -Ln -t $S
r ipvsadm -E -t $S -s wrr -p 100
r ipvsadm -E -t $S -s bogus
r ipvsadm -Ln -t $S
r ipvsadm -A -t 192.0.2.10:92 -p 0
r ipvsadm -A -t 192.0.2.10:92 -p 2678401
r ipvsadm -A -t 192.0.2.10:92 -p 2678400
r ipvsadm -A -t 192.0.2.10:93 -p abc
r ipvsadm -A -t 192.0.2.10:93 -M 255.255.0.0
r ipvsadm -Ln -t 192.0.2.10:93
r ipvsadm -S -n
r ipvsadm -A -t 192.0.2.10:94 -p -M bogusmask
r ipvsadm -A -t [2001:db8::10]:94 -p -M 129
r ipvsadm -A -t [2001:db8::10]:95 -M 64 -p # differs: IPv6
r ipvsadm -A -M 64 -p -t [2001:db8::10]:96 # differs: IPv6
r ipvsadm -A -f 0
r ipvsadm -A -f -1
r ipvsadm -A -f 0x10
r ipvsadm -A -f 4294967295
r ipvsadm -A -6 -f 5
r ipvsadm -A -f 5 -o
r ipvsadm -A -t 192.0.2.10:97 -s rr -b sh-port
r ipvsadm -A -t 192.0.2.10:97 -b bogus
r ipvsadm -A -t 192.0.2.10:97 -s sh -b sh-port,flag-1
r ipvsadm -Ln
r ipvsadm -L -c -t $S
r ipvsadm -L -c --stats
r ipvsadm -L --timeout --daemon
r ipvsadm -L --timeout --stats
r ipvsadm -L --timeout --persistent-conn
r ipvsadm -L -s rr
r ipvsadm -C -n
r ipvsadm -Z -t 192.0.2.10:99
r ipvsadm -Z
r ipvsadm -Z -t $S
r ipvsadm -X
r ipvsadm foo
r ipvsadm -L foo
r ipvsadm -n
r ipvsadm --bogus
r ipvsadm -L --bogus
r ipvsadm -v
r ipvsadm -h
r ipvsadm --start-daemon bogus
r ipvsadm --start-daemon master
r ipvsadm --start-daemon master --mcast-interface d0 --syncid 256
r ipvsadm --start-daemon master --mcast-interface d0 --syncid 5
r ipvsadm --start-daemon master --mcast-interface d0 --syncid 5
r ipvsadm --start-daemon backup --mcast-interface d0 --mcast-group 239.1.1.1 --mcast-port 9000 --mcast-ttl 3 --sync-maxlen 9000
r ipvsadm -L --daemon
r ipvsadm --stop-daemon master
r ipvsadm --stop-daemon master
r ipvsadm --stop-daemon backup --syncid 5
r ipvsadm --stop-daemon bogus
r ipvsadm --stop-daemon
r ipvsadm --start-daemon backup --mcast-interface d0 --mcast-group 10.0.0.1
r ipvsadm --start-daemon backup --mcast-interface d0 --mcast-group ff05::51
r ipvsadm -L --daemon
r ipvsadm -C
r ipvsadm -Ln
printf 'ipvsadm -A -t 10.0.0.1:80 -s rr\n# comment\n-a -t 10.0.0.1:80 -r 192.0.2.11:80 -m # trailing\n\n-A -t 10.0.0.1:80\n-a -t 10.0.0.1:80 -r 192.0.2.12\n' > $T/rules
echo '$ ipvsadm -R < rules'; ipvsadm -R < $T/rules; echo rc=$?
r ipvsadm -Sn
printf -- '-A -t 10.0.0.2:80 -s rr\n-X bogus\n-A -t 10.0.0.3:80\n' > $T/rules
echo '$ ipvsadm -R < rules2'; ipvsadm -R < $T/rules; echo rc=$?
r ipvsadm -Sn
echo '$ ipvsadm-restore'; ipvsadm -Sn > $T/saved; ipvsadm-restore < $T/saved; echo rc=$?
r ipvsadm -Sn
setpriv --reuid 65534 --clear-groups ipvsadm -Ln; echo rc=$?
setpriv --reuid 65534 --clear-groups ipvsadm -A -t 1.2.3.4:5; echo rc=$?
