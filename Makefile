# `make demo` and `make test` set up all that they need on a fresh Debian machine with python3, make and git.
# ARGS is passed through:  make test ARGS='tests/unit -k gate'   make demo ARGS='--help'

BIN := .venv/bin
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test vm check format clean

help:
	@echo "make demo     show refclock at work, without hardware"
	@echo "make test     run the tests            (ARGS='tests/unit -k gate')"
	@echo "make vm       attack a KDC in a virtual machine  (ARGS='-k receiver')"
	@echo "make check    lint, types, import contracts"
	@echo "make format   lay the code out as make check wants it"
	@echo "make clean    remove .venv and all that the tools left"

setup:
	@tools/bootstrap

demo: setup
	@$(BIN)/refclock demo $(ARGS)

test: setup
	@$(BIN)/python -m pytest $(ARGS)

# One line a scenario; docs/vm.md says more.
vm: setup
	@REFCLOCK_VM=all $(BIN)/python -m pytest -q tests/vm $(ARGS)

# The tests are not part of it: they have a target of their own, and nothing should run them twice.
check: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: setup
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean:
	rm -rf .venv .venv.lock build dist htmlcov .coverage .coverage.* \
		.hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src tests -name __pycache__ -prune -exec rm -rf {} +
