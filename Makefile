# Everything runs in .venv, which pyproject.toml alone fills. Python 3.11 or newer, pip and make are all it takes; the
# tests run PgBouncer as well, which tools/ensure-debian installs on Debian.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCAL := $(if $(filter local,$(VSTORE_IMAGES)),local-images)
COMPOSE = $(shell docker compose version > /dev/null 2>&1 && echo docker compose || echo docker-compose) --project-name vstore \
	-f docker/compose.yaml $(if $(LOCAL),-f docker/local/compose.yaml) $(if $(filter oldest,$(SERVERS)),-f docker/oldest.yaml)

# Hundreds of tests start processes of their own. Without bytecode on disk each compiles all of vstore: 0.6 s.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-fast test-wheel test-nightly test-oldest test-foreign test-docker faults local-images up down bench check table clean

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,check]'
	touch $@

$(VENV)/.demo: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[demo]'
	touch $@

$(VENV)/.nightly: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,check,models,ray]'
	touch $@

demo: $(VENV)/.demo ## install and run the demo
	$(BIN)/vstore demo

test: $(VENV)/.installed ## install and run all tests, the conformance suite on every store included
	tools/ensure-debian
	$(BIN)/python -m pytest -n 3 --dist loadgroup --ignore=tests/faults --ignore=tests/wheel tests

test-fast: $(VENV)/.installed ## the reference store and the pure parts, while you work
	$(BIN)/python -m pytest -q -n 2 tests/unit tests/conformance --target memory --vstore-filters 100 --vstore-sequences 10

test-wheel: $(VENV)/.installed ## what README.md and the other pages show, run as users run it: from a wheel, in environments of its own
	$(BIN)/python -m pytest -n 3 --dist loadgroup tests/wheel

test-nightly: $(VENV)/.nightly $(LOCAL) ## everything, every store in both forms, with 2,000 filters, 1,000 hybrid questions and 200 sequences each
	tools/ensure-debian
	$(BIN)/python -m pytest -n 3 --dist loadgroup -m "" --ignore=tests/foreign \
		--vstore-filters 2000 --vstore-hybrid 1000 --vstore-sequences 200 tests
	$(MAKE) test-foreign

test-docker: $(VENV)/.installed $(LOCAL) ## the conformance suite on containers; VSTORE_IMAGES=local needs no registry
	$(BIN)/python -m pytest -n 2 --dist loadgroup tests/conformance --servers docker $(PYTEST_ARGS)

faults: $(VENV)/.installed $(LOCAL) ## the faults on containers; PYTEST_ARGS=--write-faults writes docs/faults.md
	$(BIN)/python -m pytest -n 3 --dist loadgroup tests/faults $(PYTEST_ARGS)

local-images: $(VENV)/.installed
	PYTHON=$(BIN)/python docker/ensure

up: $(LOCAL) ## start the four servers on ports of the loopback; SERVERS=oldest for the oldest that are supported
	$(COMPOSE) up -d

down: ## remove them with their data
	$(COMPOSE) down --volumes

test-oldest: ## the same with the oldest clients that are supported, in .venv-oldest
	tools/ensure-debian
	$(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/python -m pip install --quiet --disable-pip-version-check -c tests/oldest.txt -e '.[dev]'
	.venv-oldest/bin/python -m pytest -n 2 --dist loadgroup tests/conformance tests/adapters \
		--vstore-filters 200 --vstore-sequences 20

test-foreign: ## what LangChain, LlamaIndex, Haystack, mem0 and old Chromas write, written by them, in environments of their own
	for version in 0.4.24 0.5.23 0.6.3 1.0.20; do \
		$(PYTHON) -m venv .venv-foreign-chroma-$$version && \
		.venv-foreign-chroma-$$version/bin/python -m pip install --quiet --disable-pip-version-check \
			chromadb==$$version "numpy<2" || exit 1; \
	done
	for set in requirements requirements-pymilvus2; do \
		$(PYTHON) -m venv .venv-foreign-$$set && \
		.venv-foreign-$$set/bin/python -m pip install --quiet --disable-pip-version-check \
			-r tests/foreign/$$set.txt -e '.[demo,conformance]' && \
		{ [ $$set != requirements ] || .venv-foreign-$$set/bin/python -m pip install --quiet \
			--disable-pip-version-check --no-deps open-webui==0.12.4; } && \
		VSTORE_FOREIGN=$$set MEM0_TELEMETRY=False .venv-foreign-$$set/bin/python -m pytest -m nightly tests/foreign || exit 1; \
	done

check: $(VENV)/.installed ## lint, types, layers, generated code and pages, the workflows' form
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/unasync.py --check
	$(BIN)/python tools/options.py --check
	$(BIN)/python tools/picture.py --check
	$(BIN)/python tools/compatibility.py --check
	$(BIN)/python tools/clauses.py --check
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml

$(VENV)/.bench: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,check,bench]'
	touch $@

.venv-peers/.installed: pyproject.toml  # by uv: pip finds no set of these versions within ten minutes
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check uv
	.venv-peers/bin/python -m uv pip install --quiet --python .venv-peers/bin/python -e '.[peers,bench]'
	touch $@

bench: $(VENV)/.bench .venv-peers/.installed ## compare with raw clients, a copy's ends and frameworks' stores; tables in .venv/bench
	$(BIN)/python benchmarks/bench.py --out $(VENV)/bench
	$(BIN)/python benchmarks/fields.py --out $(VENV)/bench
	$(BIN)/python benchmarks/recall.py --out $(VENV)/bench
	$(BIN)/python benchmarks/transfer.py --out $(VENV)/bench
	$(BIN)/python benchmarks/concurrency.py --out $(VENV)/bench
	$(BIN)/python benchmarks/growth.py --out $(VENV)/bench
	.venv-peers/bin/python benchmarks/langchain_peers.py --out $(VENV)/bench
	.venv-peers/bin/python benchmarks/llamaindex_peers.py --out $(VENV)/bench
	.venv-peers/bin/python benchmarks/haystack_peers.py --out $(VENV)/bench
	.venv-peers/bin/python benchmarks/agno_peers.py --out $(VENV)/bench

table: $(VENV)/.installed ## run the suite on every store and write docs/compatibility.md
	$(BIN)/python -m pytest -n 3 --dist loadgroup -m "" --vstore-mode sync --vstore-report $(VENV)/reports tests/conformance
	$(BIN)/python tools/compatibility.py $(VENV)/reports

clean:
	rm -rf $(VENV) .venv-oldest .venv-peers .venv-foreign-*
