# The two commands: `make demo` and `make test`. Everything else is for people who work on the project.

VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13 python3.14; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)

# Compiled modules make every later start faster, also where the environment asks not to write them.
unexport PYTHONDONTWRITEBYTECODE
export UV_COMPILE_BYTECODE := 1

.PHONY: help setup demo sandbox test test-long test-dagster bench lint format types docs definitions pins clean

help: ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(READY) ## the virtual environment with everything in it

$(READY): requirements/dev.txt requirements/uv.txt tap-keap/pyproject.toml target-chartmogul/pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed, and was not found." >&2; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Python's venv module is missing (Debian: apt-get install python3-venv)." >&2; exit 2; }
	@echo "Setting up $(VENV) with $$($(PYTHON) --version) …"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/uv pip install --quiet --require-hashes -r requirements/dev.txt
	@VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/uv pip install --quiet --no-deps -e ./tap-keap -e ./target-chartmogul
	@touch $@

demo: $(READY) ## the whole path on a sample account, without a key: sandbox, meltano run, what landed
	@$(BIN)/python scripts/demo.py

sandbox: $(READY) ## both APIs on loopback, for `meltano run` by hand; ANSWERS=question=answer,… see sandbox/README.md
	@$(BIN)/python -c 'import socket; socket.create_server(("127.0.0.1", 8765))' 2>/dev/null || \
		{ echo "Port 8765 is in use: is a sandbox running already?" >&2; exit 2; }
	@rm -rf output/sandbox  # ChartMogul begins empty, and so does what was remembered of it
	@test ! -d .meltano || $(BIN)/meltano --environment=sandbox --log-level=error state clear --force sandbox:tap-keap-to-target-chartmogul
	@$(BIN)/python -m sandbox --port 8765 --now today --guide $(if $(ANSWERS),--answers $(ANSWERS))

test: $(READY) ## all tests but the long ones
	@$(BIN)/ruff check --quiet . && $(BIN)/ruff format --quiet --check . && $(BIN)/mypy
	@$(BIN)/pytest -q -n 4 --dist loadgroup -m "not long and not orchestrator"

test-long: $(READY) ## crashes, faults and orders by the hundred
	@$(BIN)/pytest -q -n 2 --dist loadgroup -m long --timeout 7200

test-dagster: $(READY) ## many accounts on Dagster, in an environment of its own
	@test -x .venv-dagster/bin/dagster || { $(BIN)/uv venv --quiet .venv-dagster --python $(BIN)/python && \
		$(BIN)/uv pip install --quiet --python .venv-dagster/bin/python --require-hashes -r requirements/dagster.txt; }
	@DAGSTER=$(abspath .venv-dagster/bin/dagster) $(BIN)/pytest -q -m orchestrator

bench: $(READY) ## figures, peers, ratios, floors; with FULL=1 a million orders, too (an hour)
	@test -x .venv-peer/bin/target-jsonl || { $(BIN)/uv venv --quiet .venv-peer --python $(BIN)/python && \
		$(BIN)/uv pip install --quiet --python .venv-peer/bin/python --require-hashes -r requirements/peer.txt; }
	@TARGET_JSONL=$(abspath .venv-peer/bin/target-jsonl) $(BIN)/python -m tests.bench $(if $(FULL),--full)

lint: $(READY)
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

format: $(READY)
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

types: $(READY)
	@$(BIN)/mypy

definitions: $(READY) ## settings in meltano.yml, plugins/, README and .env.example, from the plugins' own --about
	@$(BIN)/python scripts/definitions.py

pins: $(READY) ## requirements/*.txt anew from *.in: exact, hashed, without addresses
	@for name in dev uv dagster peer; do $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --no-header --upgrade requirements/$$name.in -o requirements/$$name.txt; done
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --no-emit-find-links --no-header --no-annotate \
		requirements/plugins.in -c requirements/dev.txt -o requirements/plugins.txt
	@sed -i "/^\.\/t/d" requirements/plugins.txt

docs: $(READY) ## the documentation site, into site/
	@rm -rf site && $(BIN)/python scripts/docs_site.py

clean: ## what can be made again; never .env, nor production's store, state and reports
	@rm -rf $(VENV) .venv-dagster .venv-peer build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@rm -rf .meltano/extractors .meltano/loaders .meltano/run output/demo output/sandbox
