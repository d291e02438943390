# make run    install, then run fcpo-testbed and compare the policies without learning; then train FCPO a little under
#             OctoCross and run both on a rack, against each alone
# make test   the tests            make check  linters, types, imports between rooms
# make slow   the slow tests and the benchmarks in full
#
# Needs only make and a python3 of at least 3.10.

PYTHON      ?= python3
PIP_ARGS    ?=
PYTEST_ARGS ?= -n auto --dist loadfile
RUN_ARGS    ?= fcpo-testbed --compare random,static,tuned-static,rate-rule
# FCPO's agents and OctoCross on one rack: a short training under the shipped OctoCross, then each alone and both.
RACK   ?= campus-16-rack
AGENTS := runs/$(RACK)-agents
OFFLOAD := octocross:campus

VENV   := .venv
BIN    := $(VENV)/bin
LOWEST := .venv-lowest
PINNED := pyproject.toml constraints.txt
# The claims of FCPO's paper, a command each; what they train is kept under runs/.
FCPO   := rivals warm_start continual federation ablation plus training_time overhead
# OctoCross's.
OCTOCROSS := table2 rule churn forecast convergence rack scheduling_time
# What must run on CPython 3.8.
DEVICE := octogym/__init__.py octogym/version.py octogym/cluster octogym/bridge/__init__.py octogym/bridge/protocol \
          octogym/agents/__init__.py octogym/agents/onboard octogym/device_node octogym/fed/__init__.py \
          octogym/fed/client.py octogym/fed/errors.py octogym/fed/update.py octogym/fed/wire.py

.PHONY: run test test-lowest check format slow clean

# A stamp is as new as the pins that it was installed from, so an unchanged checkout installs nothing.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "OctoGym needs Python 3.10 or later here; set PYTHON=...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.stamp-run: $(PINNED) | $(BIN)/python
	$(BIN)/python -m pip install -q $(PIP_ARGS) -c constraints.txt -e '.[plot]'
	touch $@

$(VENV)/.stamp-dev: $(PINNED) | $(BIN)/python
	$(BIN)/python -m pip install -q $(PIP_ARGS) -c constraints.txt -e '.[plot,train,bench,dev]'
	touch $@ $(VENV)/.stamp-run

.venv: $(VENV)/.stamp-dev

run: $(VENV)/.stamp-run
	$(BIN)/python -m octogym.cli run $(RUN_ARGS)
	test -e $(AGENTS)/policy.safetensors || $(BIN)/python -m octogym.cli train fcpo $(RACK) --plus --episodes 12 \
	    --beside $(OFFLOAD),shares --out $(AGENTS)
	$(BIN)/python -m octogym.cli run $(RACK) --label "FCPO alone=fcpo-plus:$(AGENTS)/policy.safetensors" \
	    --label "OctoCross alone=$(OFFLOAD)" \
	    --label "FCPO under OctoCross=fcpo-plus:$(AGENTS)/policy.safetensors+$(OFFLOAD),shares" --compare none

test: $(VENV)/.stamp-dev
	$(BIN)/python -m pytest $(PYTEST_ARGS)

# tomllib is imported only where Python has it, tomli elsewhere.
check: $(VENV)/.stamp-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/vermin -q --no-tips --violations --exclude tomllib -t=3.8- $(DEVICE)
	$(BIN)/pre-commit validate-config

format: $(VENV)/.stamp-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

slow: $(VENV)/.stamp-dev
	$(BIN)/python -m pytest -m slow
	$(BIN)/python benchmarks/headroom.py --json benchmarks/headroom/headroom.json
	$(BIN)/python benchmarks/speed.py --json benchmarks/results/speed.json --markdown benchmarks/results/speed.md
	status=0; $(BIN)/python benchmarks/bridge/faults.py --json benchmarks/bridge/results/faults.json || status=1; \
	for name in $(FCPO); do \
	    $(BIN)/python benchmarks/fcpo/$$name.py --json benchmarks/fcpo/results/$$name.json || status=1; done; \
	$(BIN)/python benchmarks/fcpo/summary.py; \
	for name in $(OCTOCROSS); do \
	    $(BIN)/python benchmarks/octocross/$$name.py --json benchmarks/octocross/results/$$name.json || status=1; done; \
	$(BIN)/python benchmarks/octocross/summary.py; \
	$(BIN)/python benchmarks/bridge/overhead.py --memory 10000 --json benchmarks/bridge/results/overhead.json \
	    --markdown benchmarks/bridge/results/README.md || status=1; exit $$status

# The oldest Gymnasium and PettingZoo that pyproject.toml admits, without torch.
$(LOWEST)/.stamp: $(PINNED)
	$(PYTHON) -m venv $(LOWEST)
	grep -viE '^(gymnasium|pettingzoo)==' constraints.txt > $(LOWEST)/constraints.txt
	$(LOWEST)/bin/python -m pip install -q $(PIP_ARGS) -c $(LOWEST)/constraints.txt \
	    -e '.[dev]' gymnasium==1.2.0 pettingzoo==1.26.0
	touch $@

test-lowest: $(LOWEST)/.stamp
	$(LOWEST)/bin/python -m pytest $(PYTEST_ARGS) tests/envs

clean:
	rm -rf $(VENV) $(LOWEST) .venv-device dist build
