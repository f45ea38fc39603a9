# Targets create .venv by themselves, anew only when pyproject.toml changed. `make help` lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
EXPERIMENTS := table4 fig4 table7-wsol table7-tasks fig5 fig8 supplement selectivity
.PHONY: help setup test check check-regressions costs table1 efficiency $(EXPERIMENTS) report bench-sweep bench-maps bench-speed \
	kill-test fault-test clean

# Settings of the experiments: make table1 PROFILE=full DATA=imagenet WEIGHTS=folder DEVICE=cuda
PROFILE ?= mini
DEVICE ?= cpu
SEEDS ?= 0
RESULTS ?= results/runs
OPTIONS = --profile $(PROFILE) --device $(DEVICE) --seeds $(SEEDS) --results $(RESULTS) \
	$(if $(DATA),--data-root $(DATA)) $(if $(WEIGHTS),--weights $(WEIGHTS)) $(ARGS)

help:  ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	touch $@

setup: $(READY)  ## create .venv and install the suite with its development tools

test: $(READY)  ## run the tests
	$(BIN)/python -m pytest

check: $(READY)  ## format, lint, types and tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

check-regressions: $(READY)  ## the gate: two minutes of smoke cells and probes against results/reference/smoke
	$(BIN)/tdam-bench check $(ARGS)

costs: $(READY)  ## parameters and FLOPs of table 1 beside the paper's
	$(BIN)/tdam-bench costs

table1: $(READY)  ## table 1: train, evaluate, measure, render (PROFILE=smoke|mini|full)
	$(BIN)/tdam-bench run table1 $(OPTIONS)

efficiency: $(READY)  ## speed and memory of table 1's rows by themselves (DEVICE=cuda ARGS="--dtype bfloat16")
	$(BIN)/tdam-bench run efficiency $(OPTIONS)

table4: $(READY)  ## top-1 at test resolutions from 128 to 448 (weights of table 1 are used again, as below)
fig4: $(READY)  ## the curves behind table 4
table7-wsol: $(READY)  ## weakly supervised localization
table7-tasks: $(READY)  ## fine-grained and multi-label classification
fig5: $(READY)  ## where networks look from step to step
fig8: $(READY)  ## ablations: feedback distance, steps, technique
supplement: $(READY)  ## other backbones
selectivity: $(READY)  ## how much channels prefer one class

$(EXPERIMENTS):
	$(BIN)/tdam-bench run $@ $(OPTIONS)

report: $(READY)  ## the report from records: page, Markdown, LaTeX, PDF
	$(BIN)/tdam-bench report $(OPTIONS)

bench-sweep: $(READY)  ## what the resolution sweep costs above its bare forward passes (after table1)
	$(BIN)/python -m benchmarks.suite.sweep --results $(RESULTS)

bench-maps: $(READY)  ## class activation maps against the package grad-cam
	$(BIN)/python -m benchmarks.suite.maps

bench-speed: $(READY)  ## speed and memory of every attention, of TD literal and reduced, over the plain ResNet50's
	$(BIN)/python -m benchmarks.suite.speed $(ARGS)

kill-test: $(READY)  ## kill a smoke run at 20 random moments and compare what it leaves with an undisturbed one
	$(BIN)/python tests/kill_and_resume.py

fault-test: $(READY)  ## plant 12 faults in copies and see that the gate names each; then 20 runs without any (an hour)
	$(BIN)/python tests/plant_faults.py

clean:  ## remove the environment and caches; records and reports stay
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
