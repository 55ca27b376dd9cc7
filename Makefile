# The customer portal. `make` alone prints this list.

.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
# More than there are cores: most tests wait for processes to start and for pauses to pass.
WORKERS ?= 4
export PIP_DISABLE_PIP_VERSION_CHECK := 1

VENV ?= .venv-production
COMPILE := $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

.PHONY: help setup demo test check lint audit fix hooks docs bench soak fuzz mutants lock openapi examples guides production

help: ## print this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: .venv/.runtime ## .venv with the locked dependencies, engines, sandbox and the `portal` command

demo: .venv/.runtime ## start everything, then run the whole customer journey; ARGS="--exit --json" passes through
	@$(BIN)/portal demo $(ARGS)

test: check ## what CI runs: check, then the whole test suite; ARGS="-k name" passes through
	@command -v php >/dev/null || echo "php is not installed, so the WHMCS hooks are not tested: apt-get install php-cli php-curl" >&2
	$(BIN)/pytest -n $(WORKERS) --dist loadfile $(ARGS)

check: lint audit ## lint, then known vulnerabilities; writes nothing

lint: .venv/.dev ## format, lint, types, import contracts: the fast checks, without engines or network
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

audit: .venv/.dev ## known vulnerabilities of the locked dependencies; says so where the database cannot be reached
	@$(BIN)/python -m tests.supply_chain.audit

fix: .venv/.dev ## format, and fix what can be fixed automatically
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

hooks: ## run the fast checks (`make lint`) before every commit in this checkout
	@git config core.hooksPath .githooks
	@echo "Commits now run .githooks/pre-commit; undo with: git config --unset core.hooksPath"

docs: .venv/.docs ## build the documentation site into site/; ARGS="serve" shows it on http://127.0.0.1:8000
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs $(if $(ARGS),$(ARGS),build --strict --quiet)

bench: .venv/.bench ## run the benchmarks and print a table; ARGS="projection --json file" passes through
	$(BIN)/python -m benchmarks $(ARGS)

soak: .venv/.dev ## run a whole portal against misbehaving upstreams for 10 minutes; ARGS="--minutes 1 --seed 8" passes through
	$(BIN)/python -m tests.faults.soak $(ARGS)

fuzz: .venv/.fuzz ## call every route with generated input for 10 minutes; ARGS="--minutes 30" passes through
	$(BIN)/python -m tests.fuzz $(ARGS)

mutants: .venv/.dev ## mutation-test the pure rules; ARGS="merge prices" selects some
	$(BIN)/python -m tests.mutants $(ARGS)

openapi: .venv/.dev ## write docs/openapi.json for customers' clients, and the documents of the other audiences
	$(BIN)/python -m app.cli openapi --audience customer > docs/openapi.json
	$(BIN)/python -m app.cli openapi --audience operator > docs/openapi-operator.json
	$(BIN)/python -m app.cli openapi --audience inbound > docs/openapi-inbound.json

examples: .venv/.dev ## record docs/examples.json, the examples of every operation, from the demo
	$(BIN)/python -m tests.docs.record_examples

guides: .venv/.dev ## write the tables of docs/guides that say what the code says: owners, freshness, states
	$(BIN)/python -m tests.docs.guide_tables

lock: .venv/.dev ## lock the dependencies again, with hashes, and write the runtime's bill of materials (sbom.cdx.json)
	$(COMPILE) pyproject.toml -o requirements.txt
	$(COMPILE) --extra embedded --extra sandbox --group setup pyproject.toml -c requirements.txt -o requirements-demo.txt
	$(COMPILE) --group setup -c requirements-demo.txt -o requirements-setup.txt
	$(COMPILE) --extra embedded --extra sandbox --extra dev --group setup pyproject.toml \
		-c requirements-demo.txt -o requirements-dev.txt
	$(COMPILE) --extra embedded --extra sandbox --extra dev --extra bench --group setup pyproject.toml \
		-c requirements-dev.txt -o requirements-bench.txt
	$(COMPILE) --extra embedded --extra sandbox --extra dev --extra fuzz --group setup pyproject.toml \
		-c requirements-dev.txt -o requirements-fuzz.txt
	$(COMPILE) --group docs -c requirements-dev.txt -o requirements-docs.txt
	$(BIN)/python -m tests.supply_chain.sbom

production: ## install what the processes need into VENV=/opt/portal/.venv: no engines, no sandbox, no tools
	@$(PYTHON) -m venv $(VENV)
	@$(PYTHON) -m venv $(VENV)/tools
	@$(VENV)/tools/bin/pip install -q --require-hashes -r requirements-setup.txt
	@$(VENV)/tools/bin/pip wheel -q --no-deps --no-build-isolation --wheel-dir $(VENV)/tools/wheel .
	@$(VENV)/bin/pip install -q --require-hashes -r requirements.txt
	@$(VENV)/bin/pip install -q --no-deps --no-index --force-reinstall $(VENV)/tools/wheel/*.whl
	@rm -r $(VENV)/tools

.venv/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -m venv .venv

.venv/.runtime: requirements-demo.txt pyproject.toml | .venv/bin/pip
	@echo "Installing the locked dependencies into .venv" >&2
	@$(BIN)/pip install -q --require-hashes -r $(if $(wildcard .venv/.dev),requirements-dev.txt,requirements-demo.txt)
	@$(BIN)/pip install -q --no-deps --no-build-isolation -e .
	@touch $@

.venv/.dev: requirements-dev.txt pyproject.toml | .venv/bin/pip
	@echo "Installing the locked dependencies, tools included, into .venv" >&2
	@$(BIN)/pip install -q --require-hashes -r requirements-dev.txt
	@$(BIN)/pip install -q --no-deps --no-build-isolation -e .
	@touch .venv/.runtime $@

.venv/.docs: requirements-docs.txt .venv/.dev
	@echo "Installing what builds the documentation site" >&2
	@$(BIN)/pip install -q --require-hashes -r requirements-docs.txt
	@touch $@

.venv/.fuzz: requirements-fuzz.txt .venv/.dev
	@echo "Installing what calls every route" >&2
	@$(BIN)/pip install -q --require-hashes -r requirements-fuzz.txt
	@touch $@

.venv/.bench: requirements-bench.txt .venv/.dev
	@echo "Installing what the benchmarks are measured against" >&2
	@$(BIN)/pip install -q --require-hashes -r requirements-bench.txt
	@touch $@
