# PYTHON=path picks another interpreter, and with it another stack, than the newest that runs here.
.DEFAULT_GOAL := help
PYTHON ?=
VENV := .venv
RUN := $(VENV)/bin

.PHONY: help
help: ## Show the targets.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.ready: requirements.lock requirements-uv.lock pyproject.toml tools/setup_venv.sh
	PYTHON='$(PYTHON)' tools/setup_venv.sh
	@touch $@

.PHONY: setup
setup: $(VENV)/.ready ## Make the virtual environment from the lock file.

.PHONY: test
test: setup ## Run the tests.
	$(RUN)/python -m pytest

.PHONY: lock
lock: setup ## Resolve requirements.lock anew from pyproject.toml.
	.uv/bin/uv pip compile -q --universal --generate-hashes --python-version 3.10 --no-header \
	  --extra dev pyproject.toml -o requirements.lock
