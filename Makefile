# `make demo` and `make test` do all their set-up themselves, on Debian or Ubuntu with Python 3.11 or newer.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
SUDO   := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
MODELS ?= models
# Tests wait for servers about a third of the time: one worker more than there are processors.
WORKERS ?= $(shell n=$$(nproc); echo $$((n < 4 ? n + 1 : 4)))

# Not compiled: of some 17,000 files most are never imported, and Python keeps what it has compiled by itself, unless told
# not to: every process of the tests would then compile torch anew, for ten seconds and more.
unexport PYTHONDONTWRITEBYTECODE
PIP    := $(BIN)/pip install --quiet --disable-pip-version-check --no-compile
# A run that hangs is interrupted, and then killed.
LIMIT  ?= 20m
TIMED  := timeout --foreground --signal INT --kill-after 30 $(LIMIT)
# Processors are shared by tests and their servers. A test that fails beside others has to pass by itself, and is named.
# A worker that is lost is replaced (tests/failures.py).
TESTS   = $(TIMED) $(BIN)/pytest --max-worker-restart 3
AGAIN   = { echo "once more, what failed, by itself"; $(TIMED) $(BIN)/pytest --last-failed --last-failed-no-failures none; }
UNIT    = { $(TESTS) --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder || { [ $$? = 1 ] && $(AGAIN); }; } && \
	PYTHONPATH=$(VENV)/timm $(TESTS) --numprocesses auto --maxprocesses 2 -p tests.timm.operators tests/timm

.PHONY: help demo serve test test-rtx test-whole bench lint types unit coverage docs protos dashboards hooks release clean

help:  ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: $(VENV)/.finetune  ## fine-tune a pre-trained ViT on photos, export and serve it, show what it looks at
	@$(BIN)/python -m examples.demo $(MODELS)

serve: $(VENV)/.export $(MODELS)/fashion  ## serve the models in MODELS (default: models/), until Ctrl-C
	@$(BIN)/vitscope serve $(MODELS)

# mypy runs beside the tests, which wait often enough; what it finds comes after what they found.
test: ready  ## everything that CI runs
	@$(MAKE) --no-print-directory lint
	@$(BIN)/mypy >$(VENV)/types.txt 2>&1 & types=$$!; trap "kill $$types; exit 130" INT TERM; \
	$(UNIT); unit=$$?; wait $$types; types=$$?; cat $(VENV)/types.txt; \
	[ $$unit = 0 ] || echo "make unit: failed"; [ $$types = 0 ] || echo "make types: failed"; \
	[ $$unit = 0 ] && [ $$types = 0 ]

bench: $(VENV)/.bench  ## measure this machine and write docs/benchmarks.md (about half an hour, and it wants the machine to itself)
	@$(BIN)/python -m bench

lint: $(VENV)/.dev $(VENV)/node  ## ruff, typos, buf, which also compares the protos with those of the last release, and tsc on the page's scripts
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/typos
	$(BIN)/buf lint protos
	$(BIN)/buf format protos --diff --exit-code
	$(BIN)/buf breaking protos --against $(wildcard protos/released/*.binpb)
	$(BIN)/node $(VENV)/node/node_modules/typescript/bin/tsc --project explorer

types: $(VENV)/.dev  ## mypy --strict
	$(BIN)/mypy

unit: $(VENV)/.dev $(VENV)/timm $(VENV)/node  ## pytest, a few files at a time
	$(UNIT)

test-rtx: $(VENV)/.dev c-compiler  ## real TensorRT builds, which need no GPU (part of unit; fetches 150 MB of wheels once)
	CI=true $(BIN)/pytest -m rtx tests/server/engines/tensorrt

test-whole: $(VENV)/.dev $(VENV)/timm fashion-mnist  ## what takes long and is not in unit: the whole Fashion-MNIST test set through a server, further graphs
	$(BIN)/pytest -m whole
	PYTHONPATH=$(VENV)/timm $(BIN)/pytest -m whole -p tests.timm.operators tests/timm

coverage: $(VENV)/.dev $(VENV)/node fashion-mnist c-compiler strace prometheus chromium  ## unit, counting branches: about a third longer; fails below the floor in pyproject.toml
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder --max-worker-restart 3
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

docs: $(VENV)/.dev  ## build the documentation site in build/site; a broken link fails
	$(BIN)/python -m sphinx --conf-dir docs --doctree-dir build/doctrees --fresh-env --fail-on-warning --keep-going --quiet . build/site
	@echo "build/site/index.html"

protos: $(VENV)/.dev  ## generate the stubs beside the .proto files
	PATH=$(CURDIR)/$(BIN):$$PATH $(BIN)/python -m grpc_tools.protoc --proto_path=protos \
		--python_out=protos --mypy_out=protos --grpc_python_out=protos --mypy_grpc_out=protos \
		$(patsubst protos/%,%,$(wildcard protos/vitscope/v1/*.proto))
	@# Only these hold a service; the others' _grpc files would be empty.
	@find protos -name '*_pb2_grpc.py*' ! -name 'classifier_*' ! -name 'admin_*' ! -name 'explain_*' -delete

dashboards: $(VENV)/.dev  ## write Grafana's dashboard from deploy/grafana/rows
	$(BIN)/python -m deploy.grafana.page

hooks: $(VENV)/.dev  ## check each commit with ruff, typos and buf, each push with mypy too
	$(BIN)/pre-commit install

release: $(VENV)/.dev  ## prepare release VERSION: make release VERSION=0.2.0; with DRY=--dry-run only show it
	@$(BIN)/python scripts/release $(VERSION) $(DRY)

clean:  ## remove everything that these commands made
	rm -rf $(VENV) build demo dist models src/*.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(MODELS)/fashion: | $(VENV)/.export
	$(BIN)/vitscope export examples/fashion --name fashion --out $(MODELS)

# Debian splits venv off Python, and the data set is a package; both are installed only where they are missing.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed, found $$($(PYTHON) --version); set PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
		{ $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq python3-venv; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.export: requirements/export.txt requirements/serve.txt requirements/common.txt pyproject.toml | $(BIN)/python
	@echo "installing torch, transformers, ONNX Runtime, OpenVINO and gRPC into $(VENV); this takes some minutes once"
	$(PIP) --requirement requirements/export.txt
	$(PIP) --no-deps --editable .
	@touch $@

$(VENV)/.finetune: requirements/finetune.txt $(VENV)/.export
	$(PIP) --requirement requirements/finetune.txt
	@touch $@

$(VENV)/.dev: requirements/dev.txt requirements/bench.txt requirements/docs.txt requirements/finetune.txt requirements/load.txt $(VENV)/.export
	$(PIP) --requirement requirements/dev.txt
	@touch $@

# In a folder of its own: with torchvision beside it, transformers would prepare images by other code in all tests.
$(VENV)/timm: requirements/timm.txt $(VENV)/.dev
	$(PIP) --no-deps --upgrade --target $@ --requirement requirements/timm.txt
	@touch $@

# What checks the pages of the server, out of npm. Nothing of it is served.
$(VENV)/node: requirements/node/package.json requirements/node/package-lock.json $(VENV)/.dev
	@mkdir -p $@ && cp requirements/node/*.json $@
	PATH=$(CURDIR)/$(BIN):$$PATH $(BIN)/npm ci --prefix $@ --no-audit --no-fund --no-update-notifier --ignore-scripts --silent
	@touch $@

$(VENV)/.bench: requirements/bench.txt $(VENV)/.export
	$(PIP) --requirement requirements/bench.txt
	@touch $@

# Debian's packages are fetched while pip fetches Python's.
.PHONY: ready system
ready: | $(BIN)/python
	@$(MAKE) --no-print-directory --jobs 2 $(VENV)/timm $(VENV)/node system
system:
	@for package in fashion-mnist c-compiler strace prometheus chromium; do $(MAKE) --no-print-directory --silent $$package || exit; done

.PHONY: fashion-mnist
fashion-mnist:
	@[ -d /usr/share/datasets/fashion-mnist ] || \
		{ $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq dataset-fashion-mnist; }

# The tests of TensorRT's names compile stand-ins for its libraries.
.PHONY: c-compiler
c-compiler:
	@command -v cc >/dev/null || command -v gcc >/dev/null || \
		{ $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq gcc libc6-dev; }

# The pages of the server are tested in it.
.PHONY: chromium
chromium:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || \
		{ $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq --no-install-recommends chromium; }

# It records each connection that a server, an export and the others open.
.PHONY: strace
strace:
	@command -v strace >/dev/null || \
		{ $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq strace; }

# Unpacked beside Python rather than installed: Debian's packages start daemons. Alertmanager looks for its templates in one place.
.PHONY: prometheus
prometheus: $(BIN)/prometheus

$(BIN)/prometheus: | $(BIN)/python
	@$(SUDO) apt-get update -qq
	@folder=$$(mktemp -d) && cd $$folder && \
		apt-get download -qq -o APT::Sandbox::User=root prometheus prometheus-alertmanager && \
		for package in *.deb; do dpkg -x $$package . || exit; done && \
		$(SUDO) install -D -m 644 -t /usr/share/prometheus/alertmanager usr/share/prometheus/alertmanager/*.tmpl && \
		mv usr/bin/promtool usr/bin/prometheus-alertmanager usr/bin/amtool usr/bin/prometheus $(CURDIR)/$(BIN)/ && \
		rm -r $$folder
