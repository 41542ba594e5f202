# One command each. What they need is installed into .venv first, with uv if it is there.

UV := $(shell command -v uv 2>/dev/null || echo .venv/bin/uv)
RUN := $(UV) run --no-sync
# Where Python may not keep what it has compiled, every start would compile everything again.
SYNC := $(UV) sync --locked --inexact $(if $(PYTHONDONTWRITEBYTECODE),--compile-bytecode)
COMPILE := $(if $(PYTHONDONTWRITEBYTECODE),$(RUN) python -m compileall -q src,:)
PYTHON := $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

.DEFAULT_GOAL := dev
.PHONY: dev test check fix bench mutations acceptance install clean

dev: .venv/.runtime  ## run everything: make dev PORT=8123
	@$(RUN) undercroft dev $(if $(PORT),--port $(PORT)) $(if $(HOST),--host $(HOST))

test: install  ## the whole suite: make test ARGS="-k sign_in"
	@$(RUN) pytest -n auto --dist loadfile $(ARGS)

check: install  ## everything that reads the code without running the product
	@$(RUN) ruff format --check .
	@$(RUN) ruff check .
	@$(RUN) ruff check --preview --select PLC2701 src
	@$(RUN) mypy
	@$(RUN) lint-imports
	@$(RUN) undercroft check
	@$(RUN) undercroft env --check
	@$(RUN) undercroft migrate check --temporary

fix: install  ## format, and mend what can be mended
	@$(RUN) ruff format .
	@$(RUN) ruff check --fix .
	@$(RUN) undercroft env --write

bench: install  ## ratios to a bare floor, written to benchmarks/RESULTS.md
	@$(RUN) python -m benchmarks $(ARGS)

mutations: install  ## plants faults and counts how many the tests notice: make mutations ARGS="jobs --sample 20"
	@$(RUN) python -m benchmarks.mutations $(ARGS)

acceptance: install  ## the acceptance lines that take time or load: make acceptance ARGS="1 6"
	@$(RUN) python -m acceptance $(ARGS)

install: .venv/.ready

# What `make dev` needs is a third of what the tests and checks need: the first start waits for no more than that.
.venv/.runtime: pyproject.toml uv.lock | $(if $(wildcard $(UV)),,.venv/bin/uv)
	@$(SYNC) --no-dev --extra dev
	@$(COMPILE)
	@touch $@

.venv/.ready: pyproject.toml uv.lock | $(if $(wildcard $(UV)),,.venv/bin/uv)
	@$(SYNC)
	@$(COMPILE)
	@touch $@ .venv/.runtime

.venv/bin/uv:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; install it and run make again."; exit 1; }
	@$(PYTHON) -m venv .venv >/dev/null 2>&1 || { rm -rf .venv; \
		echo "Python cannot make a virtual environment here: install its venv module (Debian: apt install python3-venv) or uv, then run make again."; exit 1; }
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check uv

clean:  ## remove .venv and every cache; data in .undercroft stay
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis dist
