#!/bin/sh
# Installs the Debian packages that building, testing and the demo need, as far as they are missing.
set -eu

packages="build-essential pkg-config libdpdk-dev libclang-dev
          nginx-light vsftpd ipvsadm keepalived curl iproute2 iputils-ping ethtool procps valgrind"

missing=""
for package in $packages; do
    if ! dpkg-query --show --showformat='${db:Status-Status}\n' "$package" 2>/dev/null |
        grep -qx installed; then
        missing="$missing $package"
    fi
done
[ -n "$missing" ] || exit 0

echo "Installing$missing"
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "This needs root. As root, run: apt-get install$missing" >&2
        exit 1
    fi
    exec sudo sh "$0"
fi

# Installing nginx would start a web server on this machine, which nobody asked for, and so would
# others: the tests start their own in namespaces. Debian's policy-rc.d says no to it for the time being.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 0755 "$policy"
    trap 'rm -f "$policy"' EXIT
fi
apt-get update --quiet
# shellcheck disable=SC2086 # a list of words
DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes --no-install-recommends $missing
