# Each target first installs its dependencies into .venv, with uv if it is available.

UV := $(shell command -v uv 2>/dev/null || echo .venv/bin/uv)
RUN := $(UV) run --no-sync
# If Python must not write bytecode, compile it at installation; otherwise every start would compile everything again.
SYNC := $(UV) sync --locked --inexact $(if $(PYTHONDONTWRITEBYTECODE),--compile-bytecode)
COMPILE := $(if $(PYTHONDONTWRITEBYTECODE),$(RUN) python -m compileall -q src,:)
PYTHON := $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
# `make dev` enables the example unless the environment or .env selects the extensions.
EXTENSIONS := $(if $(ENABLED_EXTENSIONS)$(shell grep -s '^ENABLED_EXTENSIONS=' .env),,ENABLED_EXTENSIONS=example)

.DEFAULT_GOAL := dev
.PHONY: dev test check fix console console-check bench mutations acceptance install clean

dev: .venv/.runtime  ## run the development stack: make dev PORT=8123
	@$(EXTENSIONS) $(RUN) undercroft dev $(if $(PORT),--port $(PORT)) $(if $(HOST),--host $(HOST))

test: install  ## run the tests: make test ARGS="-k sign_in"
	@$(RUN) pytest -n auto --dist loadfile --no-loadscope-reorder --max-worker-restart 2 -o faulthandler_exit_on_timeout=true $(ARGS)
	@$(if $(ARGS),,$(RUN) pytest extensions)

check: install  ## run all static checks
	@$(RUN) ruff format --check .
	@$(RUN) ruff check .
	@$(RUN) typos
	@$(RUN) ruff check --preview --select PLC2701 src
	@$(RUN) mypy
	@$(RUN) lint-imports
	@$(RUN) deptry src
	@$(RUN) undercroft check
	@$(RUN) undercroft routes >/dev/null
	@ENABLED_EXTENSIONS=example $(RUN) undercroft openapi --check
	@$(RUN) undercroft env --check
	@$(RUN) undercroft public-api --check
	@ENABLED_EXTENSIONS= DISABLED_MODULES= $(RUN) undercroft client typescript --check
	@$(RUN) undercroft changelog --check
	@$(RUN) undercroft console check
	@ENABLED_EXTENSIONS=example $(RUN) undercroft migrate check --temporary

fix: install  ## format the code and apply automatic fixes
	@$(RUN) ruff format .
	@$(RUN) ruff check --fix .
	@$(RUN) undercroft env --write
	@$(RUN) undercroft public-api --write
	@ENABLED_EXTENSIONS= DISABLED_MODULES= $(RUN) undercroft client typescript
	@$(RUN) undercroft changelog --write

console: install  ## build the console from console/ into the package
	@$(RUN) undercroft console build

console-check: install  ## check types, style, unit tests and the build of the console
	@$(RUN) undercroft console check --thorough

bench: install  ## run the benchmarks and write the ratios to benchmarks/RESULTS.md
	@$(RUN) python -m benchmarks $(ARGS)

mutations: install  ## run mutation testing: make mutations ARGS="jobs --sample 20"
	@$(RUN) python -m benchmarks.mutations $(ARGS)

acceptance: install  ## run the long acceptance tests: make acceptance ARGS="1 6"
	@$(RUN) python -m acceptance $(ARGS)

install: .venv/.ready

# `make dev` needs only a third of the packages; installing only those makes the first start faster.
.venv/.runtime: pyproject.toml uv.lock | $(if $(wildcard $(UV)),,.venv/bin/uv)
	@$(SYNC) --no-dev --extra dev
	@$(COMPILE)
	@touch $@

.venv/.ready: pyproject.toml uv.lock | $(if $(wildcard $(UV)),,.venv/bin/uv)
	@$(SYNC)
	@$(COMPILE)
	@touch $@ .venv/.runtime

.venv/bin/uv:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is required. Install it and run make again."; exit 1; }
	@$(PYTHON) -m venv .venv >/dev/null 2>&1 || { rm -rf .venv; \
		echo "Python cannot create a virtual environment. Install its venv module (Debian: apt install python3-venv) or uv, then run make again."; exit 1; }
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check uv

clean:  ## remove .venv and all caches, but not the data in .undercroft
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis dist
