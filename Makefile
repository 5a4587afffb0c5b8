# Every target says what it does: make help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
GO ?= go
GOLANGCI_VERSION := v2.15.0
TESSERA_VERSION := v1.0.4
COSIGN_VERSION := v3.0.6
BIN := $(CURDIR)/bin
INTEROP := $(BIN)/interop-$(TESSERA_VERSION)-$(COSIGN_VERSION)
CROSS := windows/amd64 darwin/arm64 freebsd/amd64 linux/arm64 linux/386
# Every module of the repository, by its go.mod, in the folders that go looks at.
MODULES := $(patsubst ./%,%,$(sort $(patsubst %/go.mod,%,$(shell \
  find . \( -path ./bin -o -name testdata -o -name '.?*' -o -name '_*' \) -prune -o -name go.mod -print))))
# With -race, all but the arithmetic of signatures is watched: it shares nothing, and
# would take a third of the time that the tests of ledgers take. A process then sleeps
# for a second before it ends, for what it leaves running: a tenth of one will do.
RACE := -race -gcflags=crypto/internal/fips140/edwards25519/...=-race=false
export GORACE ?= atexit_sleep_ms=100
FUZZTIME ?= 1m
MUTANTS ?= 400
SEED ?= 1

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: demo
demo: ## run the quickstart: a guarded agent, and its evidence
	@$(GO) run ./examples/quickstart

.PHONY: test
test: fmt-check tidy-check ## gofmt, tidy, vet, all tests with -race, in every module
	@for m in $(MODULES); do \
	  echo "== vet and test: $$m"; \
	  (cd $$m && $(GO) vet ./... && $(GO) test $(RACE) -shuffle=on -timeout 20m ./...); \
	done

.PHONY: fmt-check
fmt-check:
	@bad=$$(gofmt -l .); if [ -n "$$bad" ]; then echo "gofmt would change:"; echo "$$bad"; exit 1; fi

.PHONY: tidy-check
tidy-check:
	@for m in $(MODULES); do (cd $$m && $(GO) mod tidy -diff) || { echo "$$m: run go mod tidy"; exit 1; }; done

.PHONY: lint
lint: $(BIN)/golangci-lint-$(GOLANGCI_VERSION) ## run golangci-lint, installed into ./bin on first use
	@for m in $(MODULES); do echo "== lint: $$m"; (cd $$m && $< run --config $(CURDIR)/.golangci.yml ./...); done

$(BIN)/golangci-lint-$(GOLANGCI_VERSION):
	@echo "installing golangci-lint $(GOLANGCI_VERSION), which takes a few minutes once"
	@GOBIN=$(BIN) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@mv $(BIN)/golangci-lint $@

.PHONY: cross
cross: ## vet for other systems, and run the short tests with 32 bits
	@for t in $(CROSS); do echo "== vet: $$t"; CGO_ENABLED=0 GOOS=$${t%/*} GOARCH=$${t#*/} $(GO) vet ./...; done
	@echo "== short tests: linux/386"
	@CGO_ENABLED=0 GOARCH=386 $(GO) test -short -timeout 20m ./internal/... ./middleware/... ./gates ./schema/... ./evidence/...

.PHONY: wine
wine: ## run the short tests of files on Windows, by Wine 10 or later
	@internal/osfile/wine.sh ./internal/osfile ./evidence/internal/tiles ./evidence ./evidence/collector ./cmd/safeconduct

.PHONY: conformance
conformance: ## run langchaingo's own test suites, wrapped and unwrapped
	@cd conformance && $(GO) test -count=1 -timeout 30m -v . -suites

.PHONY: interop
interop: $(INTEROP)/fsck $(INTEROP)/cosign ## check ledgers with fsck, cosign, signed notes, openssl
	@$(GO) test -count=1 -timeout 20m -v -run '^TestInterop' ./evidence -interop $(INTEROP)

$(INTEROP)/fsck:
	@GOBIN=$(INTEROP) $(GO) install github.com/transparency-dev/tessera/cmd/fsck@$(TESSERA_VERSION)

$(INTEROP)/cosign:
	@echo "installing cosign $(COSIGN_VERSION), which takes some minutes once"
	@GOBIN=$(INTEROP) $(GO) install github.com/sigstore/cosign/v3/cmd/cosign@$(COSIGN_VERSION)

# Those named Target hold a goal. The ledger and the schemas are measured beside others.
.PHONY: bench
bench: ## run the benchmarks with goals (met: goal-x is at most 1)
	@$(GO) test -run '^$$' -bench Target . ./middleware/... ./gates ./schema/... ./evidence/... ./adapters/...
	@cd bench/evidence && $(GO) run .
	@cd bench/schema && $(GO) run .

.PHONY: bench-all
bench-all: ## run all benchmarks
	@$(GO) test -run '^$$' -bench . -benchmem -timeout 30m . ./middleware/... ./gates ./schema/... ./evidence/... ./adapters/...

# It compiles a lot the first time.
.PHONY: bench-peers
bench-peers: ## compare the gates with policy engines, a span, a breaker
	@cd bench/gates && $(GO) run .

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (1m) each
	@for pkg in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "== $$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$pkg; \
	  done; \
	done

# The places are drawn by SEED (1).
.PHONY: mutate
mutate: ## tell which of MUTANTS (400) changes no test notices; an hour
	@cd internal/mutate && $(GO) run . -n $(MUTANTS) -seed $(SEED) -survivors survivors.txt

.PHONY: cover
cover: ## print the test coverage of each package
	@$(GO) test -cover ./...

.PHONY: build
build: ## build the binary into ./bin/safeconduct
	@$(GO) build -o $(BIN)/safeconduct ./cmd/safeconduct
