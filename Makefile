# make alone lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help env repro paper ui sync test check benchmark format lock parameters experiments parallel play test-play kaggle inception dinov2 clean-env

help:  ## list the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 12

env: .venv/installed  ## make the virtual environment .venv with exactly what requirements.lock says

.venv/installed: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@.venv/bin/python -m pip --version >/dev/null 2>&1 || { rm -rf .venv && $(PYTHON) -m venv .venv; }
	@echo "Installing the environment (some 7 GB, minutes) …"
	@.venv/bin/python -m pip install --quiet --require-hashes --requirement requirements.lock
	@touch $@

repro: env  ## real pictures → three trained GANs → scores → reports/index.html
	dvc repro
	@echo 'Look at reports/index.html; compare the runs with: make ui'

paper: env  ## the same with the report's own sizes (400, 150, 150 epochs): meant for a GPU
	@git config user.name >/dev/null && git config user.email >/dev/null || \
	  { echo "DVC's experiments need your name: git config user.name … and git config user.email …" >&2; exit 1; }
	dvc exp run --set-param dcgan819.epochs=400 --set-param dcgan14000.epochs=150 --set-param aegan.epochs=150

play: env  ## play with the trained networks on a page of this machine
	@python -m pip install --quiet nicegui==3.18.0
	python -m stages.play

ui: sync  ## compare the runs in a browser
	mlflow ui

parallel: env  ## the same as repro, with the three trainings at once, one a GPU
	python -m stages.parallel

# The columns that are dropped: hashes of files, what explains a score, and how DVC ran it.
experiments: env  ## experiments side by side: the parameters that differ, and the distances
	dvc exp show --only-changed --hide-workspace \
	  --drop '(stages|data|models|docs)/|reports/.*(npz|csv|scores|(run|copies|types|probe|reconstruction).json)$$|.*_(reals|spread|species|accuracy|auc)$$|.*:(kd|cs|precision|recall|near|copies|encoder|draws|splits|pictures|network|types|families|folds|filters)|commonest|trained_on|mirrored_|picture_error_|nearer_|nearest_|latent_|State|Executor'

sync: env  ## give MLflow the runs that it lacks: of restored stages, of a clone
	python -m stages.sync

parameters: env  ## renew what DVC tells of the stages: docs/parameters.md and docs/pipeline.svg
	@python -m stages.affected > docs/.parameters.md.partial && mv docs/.parameters.md.partial docs/parameters.md
	@python -m stages.pipeline > docs/.pipeline.svg.partial && mv docs/.pipeline.svg.partial docs/pipeline.svg

test: env  ## the whole test suite
	python -m pytest

test-play: env  ## the tests of that page, in Chromium, which must be there
	@python -m pip install --quiet nicegui==3.18.0 playwright==1.65.2
	python -m pytest tests/playground tests/test_play.py

check: env  ## format, lint, types
	ruff format --check .
	ruff check .
	mypy

benchmark: env  ## the speed of training and scoring, beside the usual ways (14 minutes)
	dvc repro augment
	python -m benchmarks.training
	python -m benchmarks.scoring

format: env  ## put the code into shape
	ruff format .
	ruff check --fix .

lock: env  ## renew requirements.lock from pyproject.toml
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --fork-strategy fewest \
	  --generate-hashes --no-emit-index-url --no-header --upgrade --quiet --output-file requirements.lock

inception dinov2: env
	python -m stages.fetch $@

inception:  ## fetch the weights that FID, KID and the Inception Score need (96 MB)
dinov2:  ## fetch the weights that FD-DINOv2 needs (1.2 GB)

kaggle: env  ## add what download.source=kaggle needs
	python -m pip install --quiet kagglehub==1.0.3

clean-env:  ## remove the virtual environment
	rm -rf .venv
