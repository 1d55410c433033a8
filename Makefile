# The two commands: `make run` starts the service, `make test` passes the tests. Both set up what they need.

PYTHON ?= python3
VENV := .venv
# Where a shell sets it, each of the many processes that the tests start compiles everything anew.
unexport PYTHONDONTWRITEBYTECODE
BIN := $(VENV)/bin
APT := DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300
# Installs Debian's packages, and fetches their lists only where that does not go without.
install = { $(APT) install -y --no-install-recommends $(1) > /dev/null 2>&1 || \
	{ $(APT) update && $(APT) install -y --no-install-recommends $(1) > /dev/null; }; }
STAMP := $(VENV)/.ready
# All that is installed takes half a minute to compile. What CI does not import needs not be.
COMPILED := $(if $(filter true,$(CI)),--no-compile)

.PHONY: run test lint format bench cluster cluster-packages crash compiler contract flood fuzz soak tests interop interop-packages browser-packages database-packages screenshots million notebooks prove packages server-packages unit-packages wheel clean

# What foreign libraries leave between runs: npm's packages, Go's compiled objects.
INTEROP ?= $(CURDIR)/$(VENV)/interop

run: $(STAMP)
	@$(BIN)/capsvc init --if-missing
	@$(BIN)/capsvc serve

# What tests need of Debian and npm comes while Python's packages do, and types are checked while tests wait.
test:
	@$(MAKE) --no-print-directory -j 2 $(STAMP) $(if $(filter true,$(CI)),packages)
	@$(MAKE) --no-print-directory -j 2 tests lint

# A test that calls make is no part of this one.
tests:
	MAKEFLAGS= $(BIN)/pytest -n 3 --dist worksteal

# One after the other, whatever runs beside them: they wait for the same lock.
packages:
	@MAKEFLAGS='$(filter-out -j% --jobserver%,$(MAKEFLAGS))' $(MAKE) --no-print-directory interop-packages browser-packages cluster-packages server-packages unit-packages

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
	$(BIN)/python -m benchmarks.worst --strict

# An hour of hostile input to whatever reads strangers' bytes; docs/hostile-input.md. FUZZ_SECONDS is another length.
FUZZ_SECONDS ?= 3600
fuzz: $(STAMP)
	$(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS)

# schemathesis on the contract of a running service, some hundred requests for each operation.
contract: $(STAMP)
	CONTRACT_EXAMPLES=200 $(BIN)/pytest -q --timeout 3000 tests/capsvc/http/test_contract_fuzzed.py

# Kills the service a thousand times at random instants, two hundred of them with a disk that forgets what was not synced,
# and prints what was tried and lost. Takes half an hour.
KILLS ?= 1000
crash: $(STAMP) compiler
	@$(BIN)/python -m tests.crash --kills $(KILLS)

# Ten minutes of killing, pausing and cutting off databases and nodes at random, on networks of its own; docs/postgresql.md.
# Needs root. CLUSTER_SECONDS is another length.
CLUSTER_SECONDS ?= 600
cluster: $(STAMP) cluster-packages
	@$(BIN)/python -m tests.cluster --seconds $(CLUSTER_SECONDS)

# What tests/cluster needs: databases, networks, and a compiler for the clock that it sets.
cluster-packages: database-packages compiler
	@command -v ip > /dev/null || { echo "installing iproute2"; $(call install,iproute2); }

# The short form of whatever is tried to break the service, and what was lost, as a table. Takes some minutes.
prove: $(STAMP) cluster-packages server-packages
	@$(BIN)/python -m tests.prove

# A C compiler, for the shims of tests/crash and tests/cluster.
compiler:
	@command -v cc > /dev/null || { echo "installing gcc"; $(call install,gcc libc6-dev); }

# The server that stands in front of the service in tests.
server-packages:
	@test -x /usr/sbin/nginx || { echo "installing nginx"; $(call install,nginx-light); }

# What checks the unit in deploy/.
unit-packages:
	@command -v systemd-analyze > /dev/null || { echo "installing systemd"; $(call install,systemd); }

# Prints who minted, who narrowed and who verified, as a table.
interop: $(STAMP) interop-packages
	INTEROP_TABLE=true $(BIN)/pytest -q -n 2 --dist worksteal tests/interop

# C, Go and JavaScript libraries for tests/interop. Does nothing where all are there.
interop-packages:
	@wanted=""; \
	ls /usr/lib/*/libmacaroons.so.0 > /dev/null 2>&1 || wanted="$$wanted libmacaroons0"; \
	command -v go > /dev/null || wanted="$$wanted golang-go"; \
	test -e /usr/share/gocode/src/gopkg.in/macaroon.v2 || wanted="$$wanted golang-gopkg-macaroon.v2-dev"; \
	command -v node > /dev/null || wanted="$$wanted nodejs"; \
	command -v npm > /dev/null || wanted="$$wanted npm"; \
	test -z "$$wanted" || { echo "installing$$wanted"; $(call install,$$wanted); }
	@test -e $(INTEROP)/js/node_modules/macaroon/package.json || \
		npm install --silent --no-audit --no-fund --ignore-scripts --prefix $(INTEROP)/js macaroon@3.0.4

# The browser that the console is tested in, and axe-core, which looks for what keeps people from reading a page.
browser-packages: interop-packages
	@test -x /usr/bin/chromium-headless-shell || { echo "installing chromium"; $(call install,chromium-headless-shell); }
	@test -e $(INTEROP)/axe/node_modules/axe-core/axe.min.js || \
		npm install --silent --no-audit --no-fund --ignore-scripts --prefix $(INTEROP)/axe axe-core@4.14.1

# The database server. Debian would make a cluster of its own and start it: nobody here wants that one.
database-packages:
	@ls /usr/lib/postgresql/*/bin/initdb > /dev/null 2>&1 || { echo "installing postgresql"; \
		mkdir -p /etc/postgresql-common; \
		test -e /etc/postgresql-common/createcluster.conf || \
			echo "create_main_cluster = false" > /etc/postgresql-common/createcluster.conf; \
		$(call install,-o Dpkg::Options::=--force-confold postgresql); }

# Pictures of every page of the console, with example data, for the README and docs/console.md.
screenshots: $(STAMP) browser-packages
	@$(BIN)/python -m tests.capsvc.console.screenshots docs/images

# Opens JupyterLab on the notebooks, with everything that they import.
notebooks: $(STAMP)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --editable '.[notebooks]'
	$(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) notebooks

# What a flood of logins does to everybody else: a few minutes, on a machine that does nothing else.
flood: $(STAMP)
	$(BIN)/python -m benchmarks.flood

# Ten minutes of everything at once, with revocations at random.
soak: $(STAMP)
	$(BIN)/python -m benchmarks.soak

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
	@$(BIN)/python -m pip install -qq --disable-pip-version-check $(COMPILED) --editable '.[postgres,oidc]' --group test
	@touch $@

clean:
	rm -rf $(VENV) dist build .mypy_cache .pytest_cache .ruff_cache .hypothesis .fuzz
