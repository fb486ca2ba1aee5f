# make demo      from nothing to a reconstruction: environment, 3000 patterns, quick training, prediction
# make test      lint, types, tests
# make test-all  the slow tests too
# make gpu       where there is an NVIDIA GPU: the tests that need one, then benchmarks that write records;
#                in the environment of PYTHON, which has CuPy and a torch with CUDA
# make docs      the reference of all public names: docs/build/index.html
# make clean     removes the environment and the demo

PYTHON ?= python3
BIN := .venv/bin
ENVIRONMENT := .venv/installed
# augment.py has the name of a package, pymsft_peer.py runs in another environment
CHECKED_BENCHMARKS := $(filter-out benchmarks/augment.py benchmarks/pymsft_peer.py,$(wildcard benchmarks/*.py))

.PHONY: environment demo test test-all gpu docs lint types clean

environment: $(ENVIRONMENT)

$(ENVIRONMENT): pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

lint: environment
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: environment
	$(BIN)/mypy msft augment invert cli tests $(CHECKED_BENCHMARKS)

test: lint types
	$(BIN)/python -m pytest -m "not slow"

test-all: lint types
	$(BIN)/python -m pytest

gpu:
	PYTHON=$(PYTHON) benchmarks/gpu.sh

docs: environment
	$(BIN)/python -m sphinx -q -W --keep-going docs docs/build
	@echo docs/build/index.html

demo: environment
	mkdir -p demo
	$(BIN)/msft generate --n 3000 --seed 1 --out demo/dataset.h5 --force
	$(BIN)/msft show demo/dataset.h5 --out demo/gallery.png
	$(BIN)/invert train demo/dataset.h5 --preset quick --out demo/model --force
	$(BIN)/msft generate --n 200 --seed 2 --out demo/held_out.h5 --force
	$(BIN)/invert evaluate demo/model demo/held_out.h5
	$(BIN)/invert augment demo/held_out.h5 --preset experiment --out demo/exp.h5 --force
	$(BIN)/invert predict demo/exp.h5 --model demo/model
	cp demo/exp.predictions.png demo/report.png
	@echo "demo/report.png: measured | reconstruction | re-simulated"

clean:
	rm -rf .venv demo docs/build docs/reference build *.egg-info .mypy_cache .pytest_cache .ruff_cache
