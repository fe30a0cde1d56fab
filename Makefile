# spanpin. `make help` lists the targets.

PYTHON ?= python3
CARGO  ?= cargo
VENV   := build/venv
JOBS   ?= 2

.DEFAULT_GOAL := help
.PHONY: help processes setup build archive archive-cross venv test demo e2e bench quality quality-check loom soak fuzz fuzz-segments crash workers prometheus generate format clean

help:  ## this list
	@awk -F':.*## ' '/^[a-z][a-z-]*:.*## /{printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup:  ## check that the tools are there; name the package of one that is not
	@$(PYTHON) tools/setup.py

build: setup archive venv  ## the C library, the Go archive and the Python package, below build/
	$(CARGO) build --release -p spanpin

archive: setup  ## the C library and the archive of the Go module for this machine
	$(CARGO) xtask archive

archive-cross: setup  ## the same for arm64 and musl
	rustup target add aarch64-unknown-linux-gnu x86_64-unknown-linux-musl
	$(CARGO) xtask archives

venv: setup  ## build/venv: the Python package and what the tests need
	@$(PYTHON) tools/venv.py

test: archive venv  ## all suites; ends with `N passed, N failed, N skipped`. SUITES="go python" runs only these
	@$(PYTHON) tests/run.py $(SUITES)

demo: archive venv  ## the shop in four languages: slow requests and their traces. DEMO_ARGS=--once ends at once
	@$(PYTHON) examples/shop/demo.py $(DEMO_ARGS)

prometheus:  ## Prometheus 3 and promtool from their Go module, below build/prometheus-3
	@sh tools/prometheus/build.sh

e2e: archive venv prometheus  ## Prometheus 3, 60 scrapes by two servers and a curl loop
	$(VENV)/bin/python -m pytest -q -rs tests/e2e --full

bench: archive venv  ## side by side with the peers; writes benches/results/latest.json
	$(VENV)/bin/python benches/run.py $(BENCH_ARGS)
	$(VENV)/bin/python benches/cost.py
	$(VENV)/bin/python benches/contended.py

quality: archive  ## which exemplars spanpin and others show; writes benches/results/quality.json. QUALITY_ARGS=--quick: a look
	@mkdir -p build/quality
	$(CC) -std=c11 -O2 -Wall -Wextra -Werror -shared -fPIC -Ibuild/c/include -o build/quality/driver.so benches/quality/driver.c build/c/lib/libspanpin.a -lpthread
	$(CARGO) run --release -p spanpin-quality -- $(QUALITY_ARGS)

quality-check: venv  ## the models of other libraries against the libraries
	$(VENV)/bin/python benches/quality/check/run.py

loom: setup  ## the models with higher bounds
	LOOM_LONG=1 $(CARGO) test --release -p spanpin-loom

processes:  ## four processes of two million observations each on one segment; OBSERVATIONS=N for others
	SPANPIN_TEST_OBSERVATIONS=$(or $(OBSERVATIONS),2000000) $(CARGO) test --release -p spanpin --test segment_processes four_processes_lose_nothing -- --nocapture

workers: venv  ## Python workers of which one is killed each second, a minute for each form of gunicorn
	cd python && ../$(VENV)/bin/python -m pytest -q -s -m long tests/test_workers.py

soak: setup  ## the library against its oracle for longer, stopped at every instruction, and built with one mistake at a time
	PROPTEST_CASES=$(or $(COUNT),3000) SPANPIN_SEED=$(or $(SEED),$(shell date +%s)) $(CARGO) test --release -p spanpin --test properties
	SPANPIN_LONG=1 $(CARGO) test --release -p spanpin --test stopped_writer
	$(CARGO) run -p spanpin-loom --bin library_mutants

fuzz: venv  ## random operations against the oracle
	$(VENV)/bin/python tests/conformance/fuzz.py --count $(or $(COUNT),5000)

fuzz-segments: setup  ## a million truncated, flipped and made-up segment files; COUNT=N for others
	$(CARGO) run --release -p spanpin-cli --example fuzz-segments -- --count $(or $(COUNT),1000000)

crash: venv  ## kill -9 at 2,000 random moments and 20 times at each stop of the shared protocols; CRASH_ARGS="--stop growth" for some
	$(VENV)/bin/python tests/crash/run.py $(CRASH_ARGS)

generate:  ## write the generated files anew
	$(CARGO) xtask header
	$(CARGO) xtask symbols
	$(CARGO) xtask layout

format:  ## format the sources
	$(CARGO) fmt --all
	gofmt -w go-bindings
	$(VENV)/bin/python -m ruff format python tests benches examples tools

clean:  ## remove build output
	rm -rf build
	$(CARGO) clean
