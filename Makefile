# Targets create .venv by themselves, anew only when pyproject.toml or the constraints changed. `make help` lists them.

PYTHON ?= python3
# The versions that the suite is tested with: the newest, or for Python 3.10 the lowest. CONSTRAINTS= takes what pip finds.
CONSTRAINTS ?= constraints/$(shell $(PYTHON) -c "import sys; print('newest' if sys.version_info >= (3, 11) else 'lowest')").txt
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# The files of tests are shared among processes.
PYTEST := $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

.DEFAULT_GOAL := help
EXPERIMENTS := table4 fig4 table7-wsol table7-tasks fig5 fig8 supplement selectivity endings controls
.PHONY: help setup test quick check constraints lock check-regressions gate-networks costs table1 efficiency $(EXPERIMENTS) \
	report reference reference-report bench-sweep bench-maps bench-boxes bench-speed bench-data bench-pass \
	calibration kill-test full-test cluster-test scale-test fault-test docs-test clean

# Settings of a run: make table1 PROFILE=full DATA=imagenet WEIGHTS=folder DEVICE=cuda ARGS="--jobs 1"
# SEEDS is how many (8: seeds 0 to 7), or which, by commas (0,3; 3, is seed 3 alone).
PROFILE ?= mini
DEVICE ?= cpu
SEEDS ?= 1
RESULTS ?= results/runs
OPTIONS = --profile $(PROFILE) --device $(DEVICE) --seeds $(SEEDS) --results $(RESULTS) \
	$(if $(DATA),--data-root $(DATA)) $(if $(WEIGHTS),--weights $(WEIGHTS)) $(ARGS)

# What the benches of the suite measure: table 4's networks at its resolutions, as wide as profile mini shows them.
ATTENTIONS := resnet50-se resnet50-cbam resnet50-eca resnet50-fca
SWEPT := resnet50 $(ATTENTIONS) resnet50-td-joint-t2-m1 resnet50-td-top-t2-m3
RESOLUTIONS := 37 40 48 56 64 72 80 88 96 104 112 120 128
FEEDBACK := resnet50-td-joint-t2-m1 resnet50-td-top-t2-m1 resnet50-td-top-t2-m3
PASSED := resnet50 resnet50-td-joint-t2-m1 resnet50-td-top-t2-m1
TIMED := resnet50 $(ATTENTIONS) $(foreach name,$(FEEDBACK),$(name) $(name)-reduced)

help:  ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml $(CONSTRAINTS)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(addprefix --constraint ,$(CONSTRAINTS)) \
		--editable ".[dev]"
	touch $@

setup: $(READY)  ## create .venv and install the suite with its development tools

test: $(READY)  ## run the tests
	$(PYTEST)

quick: $(READY)  ## the quick tests, which also run on macOS, on Windows and with the lowest versions
	$(BIN)/python -m pytest @tests/quick.txt

check: $(READY)  ## format, lint, types, locked versions and tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/tdam-bench lock --check
	$(PYTEST)

# CUDA's libraries and triton are torch's own matter, and other systems have none. For later ones than are written down:
# make clean, make setup CONSTRAINTS=, make constraints.
constraints: $(READY)  ## write down the versions in .venv as the newest that the suite is tested with
	echo "# The newest versions that the suite is tested with, Python 3.11 and later: pip install -c this-file" >constraints/newest.txt
	$(BIN)/python -m pip freeze --all --exclude-editable | grep -viE "^(nvidia|cuda|triton|pip)[-=]" >>constraints/newest.txt

lock: $(READY)  ## lock the declared versions of the kinds of work beside the code that they reach
	$(BIN)/tdam-bench lock

check-regressions: $(READY)  ## the gate: a minute and a half of cells and probes against results/reference/gate
	$(BIN)/tdam-bench check $(ARGS)

gate-networks: $(READY)  ## train the networks that the gate looks at by mini's recipe, and renew its reference
	$(BIN)/tdam-bench gate-networks --results $(RESULTS) $(ARGS)
	$(BIN)/tdam-bench check --renew

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
endings: $(READY)  ## whether each network was trained to its end
controls: $(READY)  ## what gains are due to: equal guesses, a live start, no attention

$(EXPERIMENTS):
	$(BIN)/tdam-bench run $@ $(OPTIONS)

report: $(READY)  ## the report from records: page, Markdown, LaTeX, PDF
	$(BIN)/tdam-bench report --results $(RESULTS) $(ARGS)

reference: $(READY)  ## measure what is left of the committed records, results/reference (ARGS=--plan: only say what that is)
	$(BIN)/tdam-bench reference $(ARGS)

reference-report: $(READY)  ## the committed report, report/reference, and the README's picture, from the committed records
	$(BIN)/tdam-bench report --results results/reference --out report/reference
	$(BIN)/python -m benchmarks.papers.tdam.front --results results/reference --out docs/front.png

bench-sweep: $(READY)  ## what the resolution sweep costs above its bare forward passes (after table1)
	$(BIN)/python -m benchmarks.suite.sweep --networks $(SWEPT) --resolutions $(RESOLUTIONS) --results $(RESULTS) $(ARGS)

bench-maps: $(READY)  ## class activation maps against the package grad-cam
	$(BIN)/python -m benchmarks.suite.maps --model resnet50 $(ARGS)

bench-boxes: $(READY)  ## MaxBoxAcc's thousand thresholds in one sweep against one by one
	$(BIN)/python -m benchmarks.suite.boxes $(ARGS)

bench-speed: $(READY)  ## speed and memory of every attention, of TD literal and reduced, over the plain ResNet50's
	$(BIN)/python -m benchmarks.suite.speed --networks $(TIMED) $(ARGS)

bench-data: $(READY)  ## images per second for training and evaluation against torchvision's ImageFolder, on one core
	$(BIN)/python -m benchmarks.suite.loading $(ARGS)

bench-pass: $(READY)  ## what accuracy and localization cost above their networks' forward passes, on one thread
	$(BIN)/python -m benchmarks.suite.passes --networks $(PASSED) $(ARGS)

calibration: $(READY)  ## how often verdicts are wrong where the truth is known, and what they find (seven minutes)
	$(BIN)/python -m benchmarks.suite.calibration $(ARGS)

kill-test: $(READY)  ## kill smoke runs 25 times at random (20 SIGKILL, 5 SIGTERM) and compare what they leave with an undisturbed one
	$(BIN)/python tests/kill_and_resume.py

full-test: $(READY)  ## memory, disk and time of accuracy and localization on 5,000 JPEGs, by 1, 2 and 3 processes (hours)
	$(BIN)/python tests/full_size.py $(ARGS)

cluster-test: $(READY)  ## start a real Slurm here, let everything happen to a run on it, and compare what it leaves (needs slurm-wlm)
	$(BIN)/python tests/cluster_and_back.py $(ARGS)

scale-test: $(READY)  ## what 1,000, 3,000 and 10,000 records cost to plan, to tabulate and to show; 100 processes that write at once
	$(BIN)/python tests/scale.py

fault-test: $(READY)  ## plant 24 faults in copies and see that the gate names each; then 20 runs without any (up to three hours)
	$(BIN)/python tests/plant_faults.py $(ARGS)

docs-test: $(READY)  ## run the commands of README and docs in a copy (ARGS="--as-written --long": as they stand, long ones too)
	$(BIN)/python tests/run_docs.py $(ARGS)

clean:  ## remove the environment and caches; records and reports stay
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
