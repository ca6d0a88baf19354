# The only entry point: people and CI call these targets and nothing else.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
CARGO ?= cargo
BINARY = $${CARGO_TARGET_DIR:-target}/debug/forkable
# Tools that a check needs are installed here once, by version, and shared by all checkouts of this user.
TOOLS ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/forkable/tools
CARGO_DENY_VERSION := 0.20.2
HAS_NODE := { command -v npm && node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)'; } >/dev/null 2>&1
CARGO_DENY := $(TOOLS)/cargo-deny-$(CARGO_DENY_VERSION)/bin/cargo-deny

.PHONY: help
help: ## Show this list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: need-cargo ## One manifest becomes a running product, on a sandbox of GitHub and Vercel (needs cargo only)
	$(CARGO) build -p forkable
	$(BINARY) up deploy/examples/quickstart --sandbox

.PHONY: test
test: need-cargo need-go tools promtool prometheus alertmanager smtp build ## Every test (needs cargo and go; `contract` and `web` are part of it where node and npm are, and always in CI)
	$(CARGO) test --locked --workspace
	$(MAKE) --no-print-directory gitops
	@if $(HAS_NODE) || [ -n "$${CI:-}" ]; then $(MAKE) --no-print-directory contract web; else \
	  echo "left out: the contract with the providers' own clients (@vercel/sdk, octokit), and the web page in a browser; install node (20 or newer) and npm to have them too"; fi

.PHONY: nightly
nightly: need-cargo ## Random cases, more of them than `test` has time for
	FORKABLE_SEEDS=10000 PROPTEST_CASES=1024 $(CARGO) test --locked --workspace --lib -- model properties --nocapture

.PHONY: gitops
gitops: need-go ## deploy/argocd and deploy/flux, held against the parsers of Argo CD and Flux (needs go)
	cd tests/tools/gitops && go test ./...

# Everything at once, as `cargo test` selects features: what is built here is not built again.
.PHONY: build
build: need-cargo
	$(CARGO) build --locked --workspace --all-targets

.PHONY: e2e
e2e: need-cargo need-go tools build ## Only the tests against a real apiserver; `make e2e ONLY=name` for some of them
	$(CARGO) test --locked --workspace --test e2e -- $(ONLY)

# A real apiserver with what belongs to it, from pinned modules. A change of a pin makes a new folder.
CLUSTER_PINS := tests/tools/etcd tests/tools/kubernetes tests/tools/helm
CLUSTER := $(TOOLS)/cluster-$(shell cat $(CLUSTER_PINS:=/go.mod) $(CLUSTER_PINS:=/go.sum) | cksum | cut -d' ' -f1)
CLUSTER_TOOLS := $(addprefix $(CLUSTER)/,etcd kube-apiserver kubectl kube-controller-manager helm)
export FORKABLE_CLUSTER_TOOLS := $(CLUSTER)

.PHONY: tools
tools: $(CLUSTER_TOOLS) ## Build etcd, kube-apiserver, kube-controller-manager, kubectl and helm (once; needs go)
	@echo $(CLUSTER)

# Module and package of each; the version that kube-apiserver reports is its module's.
$(CLUSTER)/etcd: TOOL = etcd go.etcd.io/etcd/server/v3
$(CLUSTER)/kube-apiserver: TOOL = kubernetes k8s.io/kubernetes/cmd/kube-apiserver
$(CLUSTER)/kubectl: TOOL = kubernetes k8s.io/kubernetes/cmd/kubectl
$(CLUSTER)/kube-controller-manager: TOOL = kubernetes k8s.io/kubernetes/cmd/kube-controller-manager
$(CLUSTER)/helm: TOOL = helm helm.sh/helm/v4/cmd/helm
$(CLUSTER_TOOLS): | need-go
	@echo "building $(@F), once, into $(@D): minutes with an empty cache of go" >&2
	@set -- $(TOOL); cd tests/tools/$$1; mkdir -p $(@D); \
	version=$$(go list -m -f '{{.Version}}' k8s.io/kubernetes 2>/dev/null || true); of=k8s.io/component-base/version.git; \
	IFS=. read -r major minor _ <<< "$${version#v}"; SECONDS=0; \
	go build -ldflags "-s -w -X $${of}Version=$$version -X $${of}Major=$$major -X $${of}Minor=$$minor" -o $@.new $$2; \
	mv $@.new $@; echo "built $(@F) in $${SECONDS} s" >&2

# Without its service discovery for clouds and its pages, which no check of ours needs.
PROMETHEUS_MODULE := tests/tools/prometheus
PROMETHEUS := $(TOOLS)/prometheus-$(shell cat $(PROMETHEUS_MODULE)/go.mod $(PROMETHEUS_MODULE)/go.sum | cksum | cut -d' ' -f1)
export FORKABLE_PROMTOOL := $(PROMETHEUS)/promtool
export FORKABLE_PROMETHEUS := $(PROMETHEUS)/prometheus

.PHONY: promtool prometheus
promtool: $(PROMETHEUS)/promtool ## Build promtool (once; needs go)
	@echo $<
prometheus: $(PROMETHEUS)/prometheus ## Build the Prometheus server (once; needs go)
	@echo $<

# An Alertmanager and an SMTP server that messages of alerts go to.
ALERTMANAGER_MODULE := tests/tools/alertmanager
ALERTMANAGER := $(TOOLS)/alertmanager-$(shell cat $(ALERTMANAGER_MODULE)/go.mod $(ALERTMANAGER_MODULE)/go.sum | cksum | cut -d' ' -f1)
export FORKABLE_ALERTMANAGER := $(ALERTMANAGER)/alertmanager
SMTP_MODULE := tests/tools/smtp
SMTP := $(TOOLS)/smtp-$(shell cat $(SMTP_MODULE)/go.mod $(SMTP_MODULE)/go.sum $(SMTP_MODULE)/main.go | cksum | cut -d' ' -f1)
export FORKABLE_SMTP := $(SMTP)/smtp

# Beside which probes are measured, if it is installed: Debian's package prometheus-blackbox-exporter.
export FORKABLE_BLACKBOX ?= $(shell command -v prometheus-blackbox-exporter)

.PHONY: alertmanager smtp
alertmanager: $(ALERTMANAGER)/alertmanager ## Build Alertmanager (once; needs go)
	@echo $<
smtp: $(SMTP)/smtp ## Build the SMTP server of tests (once; needs go)
	@echo $<

$(ALERTMANAGER)/alertmanager: | need-go
	@echo "building $(@F), once, into $(@D): minutes with an empty cache of go" >&2
	@mkdir -p $(@D); cd $(ALERTMANAGER_MODULE); SECONDS=0; \
	go build -ldflags "-s -w" -o $@.new github.com/prometheus/alertmanager/cmd/alertmanager; \
	mv $@.new $@; echo "built $(@F) in $${SECONDS} s" >&2

$(SMTP)/smtp: | need-go
	@mkdir -p $(@D); cd $(SMTP_MODULE); go build -ldflags "-s -w" -o $@.new .; mv $@.new $@

$(PROMETHEUS)/%: | need-go
	@echo "building $(@F), once, into $(@D): minutes with an empty cache of go" >&2
	@mkdir -p $(@D); cd $(PROMETHEUS_MODULE); SECONDS=0; \
	go build -tags remove_all_sd -ldflags "-s -w" -o $@.new github.com/prometheus/prometheus/cmd/$(@F); \
	mv $@.new $@; echo "built $(@F) in $${SECONDS} s" >&2

.PHONY: contract
contract: need-node build tests/contract/node_modules/.package-lock.json ## The sandbox and our requests, held against the providers' own clients and descriptions
	cd tests/contract && npm test

.PHONY: web
web: need-node build tests/web/node_modules/.package-lock.json ## The web page in a headless Chromium (from npm; FORKABLE_CHROMIUM names another); pictures in target/web
	cd tests/web && npm test

tests/%/node_modules/.package-lock.json: tests/%/package-lock.json
	cd tests/$* && npm ci --no-audit --no-fund --loglevel=error
	touch $@

.PHONY: check
check: need-cargo fmt-check clippy deny generated file-size ## Everything that CI demands beside the tests

.PHONY: fmt-check
fmt-check:
	$(CARGO) fmt --all --check

.PHONY: clippy
clippy:
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) clippy --locked -p forkable --no-default-features -- -D warnings

.PHONY: deny
deny: $(CARGO_DENY) ## Licences, sources and banned crates (no ring, no OpenSSL)
	$(CARGO_DENY) --offline check --hide-inclusion-graph bans licenses sources

$(CARGO_DENY):
	$(CARGO) install --locked --version $(CARGO_DENY_VERSION) --root $(TOOLS)/cargo-deny-$(CARGO_DENY_VERSION) --no-default-features cargo-deny

CHART := charts/forkable
export HELM ?= $(CLUSTER)/helm

.PHONY: crds
crds: need-cargo ## Write the CRDs from the Rust types, also into the chart
	UPDATE=1 $(CARGO) test --locked -q --workspace --test packaging the_crds_are_those_of_the_types

.PHONY: chart
chart: crds $(CLUSTER)/helm ## Write what is made from the chart: the table in its README, the bases of deploy/kustomize
	UPDATE=1 $(CARGO) test --locked -q --workspace --test packaging readme
	deploy/kustomize/render deploy/kustomize

.PHONY: docs
docs: build ## Write the list of metrics from the program
	$(BINARY) metrics > docs/metrics.md

.PHONY: generated
generated: build $(CLUSTER)/helm ## Fail if a generated file is not what its source makes
	@$(CARGO) test --locked -q --workspace --test packaging the_crds_are_those_of_the_types
	@fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; deploy/kustomize/render "$$fresh"; cd "$$fresh"; \
	  find . -type f | while read -r file; do diff -u "$(CURDIR)/deploy/kustomize/$$file" "$$file"; done \
	  || { echo "deploy/kustomize is out of date: run 'make chart' and commit it"; exit 1; }
	@$(BINARY) metrics | diff -u docs/metrics.md - \
	  || { echo "docs/metrics.md is out of date: run 'make docs' and commit it"; exit 1; }

# The C library is linked in, so that the image needs none. Its own folder: these flags would build everything else anew.
ARCHITECTURE := $(shell uname -m)
STATIC_TARGET := $(ARCHITECTURE)-unknown-linux-gnu
STATIC_FOLDER ?= target/static
STATIC ?= $(STATIC_FOLDER)/forkable
# With packed relocations it is two megabytes less (glibc 2.36 or newer).
STATIC_FLAGS := -C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs

.PHONY: static
static: need-cargo ## Build the release binary without dependencies on the system
	RUSTFLAGS="$(STATIC_FLAGS)" $(CARGO) build --locked --release -p forkable --no-default-features --features jemalloc \
	  --target $(STATIC_TARGET) --target-dir $(STATIC_FOLDER)
	@mkdir -p $(dir $(STATIC)); cp $(STATIC_FOLDER)/$(STATIC_TARGET)/release/forkable $(STATIC)
	@stat -c '%s %n' $(STATIC) | awk '{ printf "%s  %.1f MiB (goal: 16 MiB at most)\n", $$2, $$1 / 1048576 }'

.PHONY: image
image: static build need-go ## Assemble the image as a tarball, without a container runtime, and try it as its user
	deploy/image/build $(STATIC) $(BINARY)

.PHONY: file-size
file-size:
	@git ls-files '*.rs' '*.mjs' '*.sh' | xargs wc -l | awk '$$2 != "total" && $$1 > 500 { print $$2 " has " $$1 " lines; 500 is the most"; bad = 1 } \
	  $$2 != "total" && $$1 > 400 && $$1 <= 500 { print "look at " $$2 ": " $$1 " lines" } END { exit bad }'

.PHONY: bench
bench: need-cargo need-go tools ## Print figures of time and memory beside their goals
	$(CARGO) build --locked --release -p forkable --no-default-features --features jemalloc
	$(CARGO) run --locked --release -q -p forkable-tests --features jemalloc --bin bench -- $(ONLY)

.PHONY: need-cargo need-node need-go
need-cargo:
	@command -v $(CARGO) >/dev/null || { echo "cargo is missing: install Rust from https://rustup.rs, then run this again"; exit 1; }
need-go:
	@command -v go >/dev/null || { echo "go is missing (1.26 or newer): install it from https://go.dev/dl, then run this again"; exit 1; }
need-node:
	@$(HAS_NODE) || { echo "node and npm are missing (version 20 or newer): install them, e.g. 'apt-get install nodejs npm', then run this again"; exit 1; }
