# Thin on purpose: each target is a few lines that call cargo. See README.md.

.PHONY: demo test bench bench-micro bench-control baseline oracle deps install

# Real clients through real DPDK in all four forwarding modes, in network namespaces; needs root.
# MODE=dr|nat|tun|fullnat shows one mode only, KEEP=1 leaves it running to try things.
demo: deps
	cargo build --release --package rvs-ctrl --package rvs-ipvs-preload --package rvs-perf
	@MODE="$(MODE)" KEEP="$(KEEP)" target/release/rvs-demo

# Every check and test there is. Those that need root say so when they skip.
test: deps
	cargo build --package rvs-ctrl --package rvs-ipvs-preload
	cargo xtask ci

# Rates and cycles of one worker, beside a MAC-swap loop in the same run; QUICK=1 is a look at the most
# important ones. As root it reserves huge pages while it runs. Results are kept in perf/results, under
# the time or NAME.
bench: deps
	cargo build --release --package rvs-perf --bin rvs-bench --bin rvs-gen
	target/release/rvs-bench $(if $(QUICK),--quick) --out perf/results $(if $(NAME),--name "$(NAME)")

# Times of the single steps of the packet path, and of a scrape of metrics; ONLY=flow measures those with
# that in their name.
bench-micro:
	cargo bench --package rvs-dataplane --package rvs-icount --no-default-features --bench '*' -- $(ONLY)
	cargo bench --package rvs-ctrl --bench scrape -- $(ONLY)

# Times of commands and scrapes with ten thousand services, on a running director.
bench-control: deps
	cargo build --release --package rvs-ctrl --package rvs-ipvs-preload
	@sh perf/control.sh

# Records anew how many instructions the packet path takes; the tests compare with it.
baseline: deps
	RVS_BASELINE=record cargo test --package rvs-icount --test baseline

# Records anew what a real Linux IPVS does with the scripts that the tests compare RVS with; see
# docs/IPVS-COMPATIBILITY.md. Takes two minutes.
oracle:
	@sh perf/oracle/record.sh
	@sh perf/oracle/sctp.sh
	@sh perf/oracle/cli.sh

# Installs what is missing of the Debian packages that building and testing need.
deps:
	@sh perf/deps.sh

# Installs rvs with man pages and completions, and what has ipvsadm and keepalived drive it; PREFIX defaults to /usr/local.
PREFIX ?= /usr/local
SHARE = $(DESTDIR)$(PREFIX)/share
install: deps
	cargo build --release --package rvs-ctrl --package rvs-ipvs-preload
	install -D -m 0755 target/release/rvs $(DESTDIR)$(PREFIX)/bin/rvs
	install -D -m 0755 target/release/rvsadm $(DESTDIR)$(PREFIX)/sbin/rvsadm
	install -D -m 0644 target/release/librvs_ipvs.so $(DESTDIR)$(PREFIX)/lib/rvs/librvs_ipvs.so
	target/release/rvs man $(DESTDIR)$(PREFIX)/share/man/man1
	install -d $(SHARE)/bash-completion/completions $(SHARE)/zsh/site-functions $(SHARE)/fish/vendor_completions.d
	target/release/rvs completions bash > $(SHARE)/bash-completion/completions/rvs
	target/release/rvs completions zsh > $(SHARE)/zsh/site-functions/_rvs
	target/release/rvs completions fish > $(SHARE)/fish/vendor_completions.d/rvs.fish
