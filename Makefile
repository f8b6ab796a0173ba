# Touchline. `make` or `make help` lists what there is.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

# No C compiler is needed; only the race detector wants one.
export CGO_ENABLED ?= 0

BIN := .local/bin
DEVSTACK := $(BIN)/devstack
# Every package of every module of the workspace; the root itself is no module.
PACKAGES = $$(go list -m -f '{{.Dir}}/...')
ARGS ?=

.PHONY: help
help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: build ## Start everything on this machine, with a demo; ARGS="--no-demo" starts empty, ARGS=--help lists more
	@exec $(DEVSTACK) run $(ARGS)

.PHONY: build
build: ## Build the services and devstack into .local/bin
	@services/devstack/build.sh $(BIN)

.PHONY: test
test: prepare ## Run all tests with real servers and browsers, installing what is missing; RACE=1 adds the race detector
	@mkdir -p $(BIN)
	@go build -o $(DEVSTACK) ./services/devstack/cmd/devstack
	@echo "test: all Go modules$(if $(RACE), with the race detector)"
	@$(if $(RACE),CGO_ENABLED=1) $(DEVSTACK) servers -- go test $(if $(RACE),-race) -timeout 40m $(ARGS) $(PACKAGES)

.PHONY: prepare
prepare: ## Find or install what the tests need: PostgreSQL, Redis, browsers, npm packages
	@services/devstack/prepare.sh

.PHONY: lint
lint: ## Format, vet, golangci-lint, sizes, types of the pixel
	@.tools/lint.sh

.PHONY: verify
verify: ## Check that generated files are current and every module builds alone
	@.tools/verify.sh

.PHONY: generate
generate: ## Make every generated file anew
	@.tools/generate.sh

# What services/attribution/README.md tells operators to set.
BENCH_POSTGRES = --postgres shared_buffers=1GB --postgres max_wal_size=8GB --postgres checkpoint_timeout=15min --postgres wal_compression=lz4
BENCH_REDIS = --redis auto-aof-rewrite-min-size=1gb

.PHONY: bench
bench: build ## Measure every path beside its reference and write services/docs/performance.md; ARGS="-run edge -scale 0.1" measures less
	@go build -o $(BIN)/bench ./services/e2e/bench
	@$(DEVSTACK) servers --dir .local/bench $(BENCH_POSTGRES) $(BENCH_REDIS) -- $(BIN)/bench -out services/docs/performance.md $(ARGS)

.PHONY: bench-smoke
bench-smoke: build ## See in a minute that every row of the benchmark comes to a number
	@go build -o $(BIN)/bench ./services/e2e/bench
	@$(DEVSTACK) servers -- $(BIN)/bench -scale 0.002 -rounds 1 $(ARGS)

.PHONY: bench-packages
bench-packages: ## Run the Go benchmarks of all modules
	@mkdir -p $(BIN)
	@go build -o $(DEVSTACK) ./services/devstack/cmd/devstack
	@$(DEVSTACK) servers -- go test -run '^$$' -bench . -benchmem $(ARGS) $(PACKAGES)

.PHONY: bench-pixel
bench-pixel: prepare ## Put the pixel beside the scripts of others from npm, on one page in Chromium; ARGS="-rounds 3" is quicker
	@cd pixel && go run ./compare $(ARGS)

.PHONY: loss
loss: prepare ## Count what arrives of 1,000 visits that end in the middle, in three browsers; VISITS=100 plays fewer
	@cd services/e2e && TOUCHLINE_VISITS=$(or $(VISITS),1000) go test -v -count=1 -timeout 0 -run TestPixel_Loss ./browser $(ARGS) | grep -v '^=== '

.PHONY: mutate
mutate: ## Change the pure packages in thousands of small ways and list what no test notices; ARGS="-share 0.2" tries some
	@.tools/mutate.sh $(ARGS)

.PHONY: e2e
e2e: build ## Play all conformance worlds against a fresh `make run`: in order, shuffled, repeated, with workers killed, with four
	@services/devstack/conformance.sh $(ARGS)

.PHONY: faults
faults: ## Kill, cut, fill and stop everything while hits come in, and check that none is lost; ARGS="-long" takes ten minutes, ARGS="-run F4" plays some
	@cd services/e2e/faults && go test -v -count=1 -timeout 0 -parallel 3 . -faults $(ARGS)

.PHONY: clean
clean: ## Remove what make run and the builds left in .local (the demo's data too)
	@if ps -o command= -p "$$(cat .local/devstack.lock 2>/dev/null || echo 0)" 2>/dev/null | grep -q devstack; then echo "make run still runs: stop it first" >&2; exit 1; fi
	@elsewhere=$$(sed -n 's|.*"elsewhere": "\(/[a-z/]*/touchline-[0-9]*\)".*|\1|p' .local/servers.json .local/bench/servers.json 2>/dev/null || true); rm -rf $$elsewhere .local
