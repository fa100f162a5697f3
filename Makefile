# `make up`: build, start, deploy the example and call it. `make test`: every test. Both set up what
# they need beside a Rust toolchain, Node.js and Python.

ENDPOINT ?= http://127.0.0.1:4566
DATA     ?= .undercast
VENV     := .venv
PY       := $(VENV)/bin/python
RELEASE  := target/release/undercast
DEBUG    := target/debug/undercast

.PHONY: up down test check lint fmt e2e bench codegen doc ci runtimes

up: $(RELEASE) runtimes
	@test -z "$$(curl -fs $(ENDPOINT)/_undercast/health)" || { echo "a cloud runs at $(ENDPOINT) already: make down"; exit 1; }
	@mkdir -p $(DATA)
	@nohup $(RELEASE) up --data $(DATA) --node-libs runtimes/node/node_modules >$(DATA)/undercast.log 2>&1 & echo $$! >$(DATA)/pid
	@for i in $$(seq 100); do curl -fs $(ENDPOINT)/_undercast/health >/dev/null && break; sleep 0.1; done; cat $(DATA)/undercast.log
	$(RELEASE) deploy examples/orders/template.yaml --stack orders --endpoint $(ENDPOINT)
	@url=$$($(RELEASE) deploy examples/orders/template.yaml --stack orders --endpoint $(ENDPOINT) 2>/dev/null | sed -n 's/^Url = //p'); \
	 echo "an order is placed at $$url and shipped:"; python3 examples/orders/check.py $$url
	@echo; $(RELEASE) ls --endpoint $(ENDPOINT)

down:
	@kill $$(cat $(DATA)/pid) 2>/dev/null && echo stopped || echo "nothing runs"

test: $(DEBUG) runtimes $(VENV)/ready
	@command -v cargo-nextest >/dev/null || cargo install --locked cargo-nextest
	cargo nextest run --workspace
	cd tests/e2e/python && ../../../$(PY) -m pytest -n 4 --dist loadgroup
	cd tests/e2e/tools && ./run && ./sam && ./serverless

check:
	cargo check --workspace --all-targets

lint:
	cargo fmt --all -- --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo xtask codegen --check
	cargo xtask docs --check
	cargo xtask tidy

fmt:
	cargo fmt --all

e2e: $(DEBUG) runtimes $(VENV)/ready
	cd tests/e2e/python && ../../../$(PY) -m pytest $(T)

bench: $(RELEASE) runtimes $(VENV)/ready
	./bench/run

codegen:
	cargo xtask codegen
	cargo xtask docs

doc:
	cargo doc --workspace --no-deps

ci:
	./.ci/run

$(RELEASE): FORCE
	cargo build --release -p undercast-server

$(DEBUG): FORCE
	cargo build -p undercast-server

runtimes: runtimes/node/node_modules/ready

runtimes/node/node_modules/ready: runtimes/node/package-lock.json
	cd runtimes/node && npm ci --no-audit --no-fund --silent
	@touch $@

$(VENV)/ready: tests/e2e/python/requirements.txt
	python3 -m venv $(VENV)
	$(PY) -m pip install -q -r $<
	@touch $@

FORCE:
