# The two commands: `make run` starts the service, `make test` passes the tests. Both set up what they need.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready

.PHONY: run test lint format bench million wheel clean

run: $(STAMP)
	@$(BIN)/capsvc init --if-missing
	@$(BIN)/capsvc serve

test: $(STAMP) lint
	$(BIN)/pytest -n 2 --dist worksteal

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --group bench
	@command -v apt-get > /dev/null && apt-get install -y -qq libmacaroons0 golang-go golang-gopkg-macaroon.v2-dev wrk \
		> /dev/null 2>&1 || echo "no apt here, or not root: C, Go and the load over HTTP are left out"
	$(BIN)/python -m benchmarks --write

million: $(STAMP)
	TEST_IMPORT_USERS=1000000 $(BIN)/pytest -q --timeout 3000 tests/capsvc/cli/test_users.py -k many_users

wheel: $(STAMP)
	rm -rf dist
	$(BIN)/python -m build --wheel

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("capsvc needs Python 3.11 or newer") if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { \
		echo "python3 has no venv here: on Debian, apt-get install python3-venv"; exit 1; }
	@echo "setting up $(VENV): this takes a minute, once"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --editable '.[service]' --group test
	@touch $@

clean:
	rm -rf $(VENV) dist build .mypy_cache .pytest_cache .ruff_cache .hypothesis
