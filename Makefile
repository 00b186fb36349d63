# Thin on purpose: every target is one command that a person could type. CI runs `check` and `test`.
#
#   make demo    the whole system on this machine, with a simulated corridor that gets cut
#   make test    every test, end-to-end stories against real servers included
#   make check   format, lints, documentation, licences, TypeScript
#   make bench   speed, side by side with a bound      make accuracy   how right the answers are
#   make soak    the long campaigns                    make docs       what is generated into docs/

SHELL := /bin/bash
SETUP := deploy/setup.sh
WEB   := collector/web

.PHONY: demo test check bench accuracy soak docs web build alone setup-demo setup-test setup-check

demo: setup-demo web build
	@exec target/debug/silkline-sim demo

test: setup-test web alone build
	@cargo test --workspace --quiet --no-fail-fast

check: setup-check web
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet
	cargo deny --log-level error check licenses bans sources
	npm --prefix $(WEB) run --silent check

bench: setup-test web build
	@cargo bench --quiet --package silkline-sor --bench sor
	@cargo bench --quiet --package silkline-protocol --bench codec
	@cargo bench --quiet --package silkline-analysis --bench trace
	@cargo bench --quiet --package silkline-agent --bench station -- 20
	@cargo bench --quiet --package silkline-agent --bench gateway
	@cargo bench --quiet --package silkline-agent --bench week
	@cargo bench --quiet --package silkline-agent --bench day
	@cargo bench --quiet --package silkline-collector --bench load
	@SILKLINE_MONTH=1 cargo test --quiet --package silkline-collector --lib a_month_of_seconds -- --nocapture
	@[ -d tests/bench/node_modules ] || npm --prefix tests/bench ci --ignore-scripts --loglevel error --no-audit --no-fund >/dev/null
	@node tests/bench/page.mjs target/debug

# LONG=1 runs ten times as many traces, and the hundred thousand quiet shots.
accuracy:
	@cargo test --quiet --package silkline-analysis --test accuracy -- --nocapture
	@cargo run --quiet --package silkline-analysis --example accuracy -- $(if $(LONG),--long)
	@cargo run --quiet --package silkline-analysis --example accuracy_watch -- $(if $(LONG),--long)
	@cargo run --quiet --package silkline-analysis --example accuracy_odd
	@if [ -d ../shared/data/sor ]; then \
	cargo run --quiet --package silkline-analysis --example accuracy_real -- ../shared/data/sor/*.[sS][oO][rR]; \
	else echo "skipped: ../shared/data/sor is not there, so real files were not scored"; fi
	@SILKLINE_FAULTS=$(if $(LONG),10000,1000) cargo test --quiet --package silkline-tests --test faults -- --nocapture --test-threads 1

soak: setup-test web alone build
	SILKLINE_MODEL_RUNS=100000 SILKLINE_KILLS=100 cargo test --workspace --release --quiet --no-fail-fast
	SILKLINE_DAYS=7 cargo bench --quiet --package silkline-agent --bench week
	SILKLINE_POLLS=4320000 cargo bench --quiet --package silkline-agent --bench day

docs: setup-test web build
	SILKLINE_WRITE_DOCS=1 cargo test --quiet --package silkline-protocol --test schemas
	SILKLINE_WRITE_DOCS=1 cargo test --quiet --package silkline-agent --lib profile::schema
	SILKLINE_WRITE_DOCS=1 cargo test --quiet --package silkline-collector --lib pictures_of_the_manual
	SILKLINE_PICTURES=$(CURDIR)/docs/pictures cargo test --quiet --package silkline-tests every_page_works

setup-demo:
	@$(SETUP) demo

setup-test:
	@$(SETUP) test

setup-check:
	@$(SETUP) check

web: $(WEB)/dist/index.html

$(WEB)/node_modules/.package-lock.json: $(WEB)/package-lock.json
	@echo "dashboard: fetching packages"
	@npm --prefix $(WEB) ci --loglevel error --no-audit --no-fund >/dev/null && touch $@

$(WEB)/dist/index.html: $(WEB)/node_modules/.package-lock.json $(WEB)/index.html $(WEB)/vite.config.ts $(shell find $(WEB)/src $(WEB)/public -type f 2>/dev/null)
	@echo "dashboard: building"
	@npm --prefix $(WEB) run --silent build && touch $@

# The agent with its own features only: what a hut installs. Another crate's features may hide what
# it lacks (dependencies may differ), so a story runs this one.
alone:
	@$(SETUP) say-build
	@cargo build --quiet --package silkline-agent
	@cp target/debug/silkline-agent target/debug/silkline-agent-alone

build:
	@$(SETUP) say-build
	@cargo build --workspace --bins $(if $(CI),--quiet,)
