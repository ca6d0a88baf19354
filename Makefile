# The only entry point: people and CI call these targets and nothing else.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
CARGO ?= cargo
BINARY = $${CARGO_TARGET_DIR:-target}/debug/forkable
# Tools that a check needs are installed here once, by version, and shared by all checkouts of this user.
TOOLS ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/forkable/tools
CARGO_DENY_VERSION := 0.20.2
CARGO_DENY := $(TOOLS)/cargo-deny-$(CARGO_DENY_VERSION)/bin/cargo-deny

.PHONY: help
help: ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: need-cargo ## One manifest becomes a running product, on a sandbox of GitHub and Vercel (needs cargo only)
	$(CARGO) build -p forkable
	$(BINARY) up deploy/examples/quickstart --sandbox

.PHONY: test
test: build ## The tests, without `fleet` and `contract` (needs cargo only)
	$(CARGO) test --locked --workspace

# Everything at once, as `cargo test` selects features: what is built here is not built again.
.PHONY: build
build: need-cargo
	$(CARGO) build --locked --workspace --all-targets

.PHONY: fleet
fleet: need-cargo ## A thousand idle forks for one simulated hour
	$(CARGO) test --locked --workspace --test it -- --ignored fleet

.PHONY: contract
contract: need-cargo need-node ## The sandbox and our requests, held against the providers' own clients and descriptions
	$(CARGO) build --locked -p forkable
	cd tests/contract && npm ci --no-audit --no-fund --loglevel=error && npm test

.PHONY: check
check: need-cargo fmt-check clippy deny generated file-size ## Everything that CI demands beside the tests

.PHONY: fmt-check
fmt-check:
	$(CARGO) fmt --all --check

.PHONY: clippy
clippy:
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

.PHONY: deny
deny: $(CARGO_DENY) ## Licences, sources and banned crates (no ring, no OpenSSL)
	$(CARGO_DENY) --offline check --hide-inclusion-graph bans licenses sources

$(CARGO_DENY):
	$(CARGO) install --locked --version $(CARGO_DENY_VERSION) --root $(TOOLS)/cargo-deny-$(CARGO_DENY_VERSION) --no-default-features cargo-deny

.PHONY: crds
crds: build ## Write the CRDs from the Rust types
	$(BINARY) crds > crds/forkable.dev.yaml

.PHONY: generated
generated: build ## Fail if a generated file is not what its source makes
	@$(BINARY) crds | diff -u crds/forkable.dev.yaml - \
	  || { echo "crds/forkable.dev.yaml is out of date: run 'make crds' and commit it"; exit 1; }

.PHONY: file-size
file-size:
	@git ls-files '*.rs' '*.mjs' '*.sh' | xargs wc -l | awk '$$2 != "total" && $$1 > 500 { print $$2 " has " $$1 " lines; 500 is the most"; bad = 1 } \
	  $$2 != "total" && $$1 > 400 && $$1 <= 500 { print "look at " $$2 ": " $$1 " lines" } END { exit bad }'

.PHONY: bench
bench: need-cargo ## Print figures of time beside their goals
	$(CARGO) build --locked --release -p forkable
	$(CARGO) run --locked --release -q -p forkable-tests --bin bench

.PHONY: need-cargo need-node
need-cargo:
	@command -v $(CARGO) >/dev/null || { echo "cargo is missing: install Rust from https://rustup.rs, then run this again"; exit 1; }
need-node:
	@command -v node >/dev/null && command -v npm >/dev/null || { echo "node and npm are missing (version 20 or newer): install them, e.g. 'apt-get install nodejs npm', then run this again"; exit 1; }
