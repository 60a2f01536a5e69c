# Two commands on a fresh machine: `make run` and `make test`. `make` alone says what else there is.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

TARGET ?= x86_64-unknown-linux-musl
ARGS ?=

# The groups of the conformance suite that this version answers.
CONFORMANCE := health collections records-crud filters filters-table expand-fields

.PHONY: help run dev build page test test-rust test-api test-browser test-release test-cluster \
        check release dist bench measure soak image clean

help: ## This text
	@awk 'BEGIN { FS = ":.*## " } \
	  /^# == / { printf "\n%s\n", substr($$0, 6) } \
	  /^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# == To use it

run: build ## Build page and binary, serve on 127.0.0.1:8000
	@exec target/debug/holdall serve $(ARGS)

release: page ## Static binary in target/dist/ (TARGET=aarch64-unknown-linux-musl for another machine)
	@TARGET=$(TARGET) scripts/release.sh

dist: release ## Archive, list of parts (SBOM) and checksums of the static binary, in target/dist/
	@TARGET=$(TARGET) scripts/dist.sh

image: release ## Container image from the static binary
	@command -v docker >/dev/null || { echo "docker is missing: see deploy/Dockerfile for what it would do" >&2; exit 1; }
	docker build -f deploy/Dockerfile -t holdall:$$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1) .

# == To work on it

build: page ## Page and binary, for daily work
	@. scripts/need.sh; need_cargo; need cc gcc; need cmake cmake
	@cargo build --quiet --locked

page: ## The console page
	@scripts/page.sh

dev: ## Watch page and server: rebuilds and restarts on change
	@scripts/dev.sh $(ARGS)

check: ## Format, lints, documentation, types
	@. scripts/need.sh; need_cargo; need cc gcc; need cmake cmake
	cargo fmt --check
	@scripts/page.sh
	cargo clippy --quiet --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --quiet --locked --no-deps --document-private-items
	@cd web && npm run --silent check

test: build test-rust test-api test-browser test-release ## Every test

test-rust: build ## Unit, property, integration and crash tests
	cargo test --locked --quiet

test-api: build ## The conformance suite, on files and in memory, by the official SDK; OpenAPI
	scripts/with-server.sh -- scripts/conformance.sh $(CONFORMANCE)
	scripts/with-server.sh -- scripts/sdk.sh
	scripts/with-server.sh -- scripts/openapi.sh
	scripts/with-server.sh -- scripts/wire.sh
	target/debug/holdall exec -- scripts/conformance.sh $(CONFORMANCE)

test-browser: build ## The console in a real browser
	@scripts/browser.sh

test-release: release ## The static binary: static, small, runs in an empty root; what is packed of it
	@scripts/test-release.sh
	@scripts/test-dist.sh

test-cluster: release ## The manifest on a real API server (a few minutes; not part of `make test`)
	@scripts/test-cluster.sh

# == To measure it

measure: release ## The figures of the static binary: size, start, memory
	@scripts/measure.sh

bench: ## The store against SQLite, in one run
	@scripts/bench.sh

soak: build ## The long versions of the crash, power-loss and model tests
	@scripts/soak.sh

clean: ## Forget everything built
	cargo clean
	rm -rf web/dist web/node_modules tests/*/node_modules
