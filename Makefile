# `make` alone lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help env author repro parallel paper fid seeds ablations ui sync experiments test test-quick test-play test-servers check benchmark format lock docs \
  play kaggle inception dinov2 clean-env

help:  ## list the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 12

env: .venv/installed  ## create the virtual environment .venv from requirements.lock, with the command pokegan

.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is required; name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@.venv/bin/python -m pip --version >/dev/null 2>&1 || { rm -rf .venv && $(PYTHON) -m venv .venv; }
	@echo "Installing the environment (about 7 GB, a few minutes) …"
	@.venv/bin/python -m pip install --quiet --require-hashes --requirement requirements.lock
	@.venv/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

repro: env  ## run the pipeline: pictures → trained GANs → scores → reports/index.html
	dvc repro
	@echo 'Open reports/index.html; compare the runs with: make ui'

author:
	@git config user.name >/dev/null && git config user.email >/dev/null || \
	  { echo "DVC experiments need an author: git config user.name … and git config user.email …" >&2; exit 1; }

parallel: env  ## the same with all trainings at once, each on a GPU of its own
	dvc repro augment prepare
	@device=0; for stage in $$(dvc stage list --name-only | grep ^train@); do \
	  CUDA_VISIBLE_DEVICES=$$device dvc repro --single-item $$stage & device=$$((device + 1)); done; wait
	dvc repro

paper: env author  ## run it with the report's own settings (400, 150 and 150 epochs), preferably on a GPU
	dvc exp run -S projected.epochs=1200 -S projected.batch_size=16 -S projected.width=24 -S projected.width_discriminator=64 \
	  -S projected.augmentation.cutout=0.2 -S projected.lr_generator=0.0004 \
	  -S dcgan819.epochs=400 -S dcgan14000.epochs=150 -S dcgan14000.batch_size=64 \
	  -S aegan.epochs=150 -S aegan.batch_size=64 -S aegan.latent_dim=16 -S aegan.width=64 -S aegan.ema_half_life=0 -S aegan.lr=0.0002 \
	  -S aegan.latent_reconstruction=1.0 -S aegan.picture_adversarial=1.0 -S aegan.latent_adversarial=1.0

fid: env author  ## add FID, KID and Inception Score: downloads the weights, then only scores and renders
	pokegan fetch inception
	dvc exp run -S 'evaluate.encoders=[effnet_lite0,alexnet,inception]'

ablations: env author  ## answer the notes' questions: changed parameters against the default (2 hours)
	pokegan ablation studies/ablations.yaml

seeds: env author  ## train projected and dcgan819 with three seeds: how much do scores vary?
	pokegan ablation studies/seeds.yaml

ui: env  ## compare the experiments in MLflow: completes the runs, prints and opens the address
	pokegan ui

sync: env  ## complete MLflow's runs from the files that DVC tracks
	pokegan sync

experiments: env  ## list the experiments: changed parameters and distances, by the names in MLflow
	@dvc exp show --csv --only-changed --drop '[^:]+/[^:]+$$|.*:(?!(fd|fid)[^:]*$$)|.*_(reals|spread)$$|rev$$|typ$$|State|Executor|parent' \
	  | sed -E 's#reports/networks/([^/]+)/scores.json:#\1.#g' | column -s, -t

play: env  ## try the trained networks on a local page
	@python -m pip install --quiet nicegui==3.18.0
	pokegan play

test: env  ## run all tests
	python -m pytest

test-quick: env  ## run the tests that take less than five seconds each
	python -m pytest -m "not slow"

test-play: env  ## run the tests of the local page and of MLflow's table, which need Chromium
	@python -m pip install --quiet nicegui==3.18.0 playwright==1.65.2
	python -m pytest tests/cli/playground tests/cli/test_play.py tests/pipeline/test_mlflow_comparison.py

test-servers: env  ## run the test of a study on several machines, which needs PostgreSQL
	@python -m pip install --quiet 'psycopg[binary]==3.3.9'
	python -m pytest --numprocesses 0 tests/pipeline/test_cluster.py

check: env  ## check format, lint and types
	ruff format --check .
	ruff check .
	mypy

benchmark: env  ## measure the speed of training and scoring (14 minutes)
	dvc repro augment
	python -m benchmarks.training
	python -m benchmarks.scoring

format: env  ## format the code
	ruff format .
	ruff check --fix .

lock: env  ## update requirements.lock from pyproject.toml
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --fork-strategy fewest \
	  --generate-hashes --no-emit-index-url --no-header --upgrade --quiet --output-file requirements.lock

docs: env  ## update docs/parameters.md and docs/pipeline.md from DVC's graph
	@pokegan affected > docs/.parameters.md.partial && mv docs/.parameters.md.partial docs/parameters.md
	@{ echo '# Pipeline graph'; echo; echo 'Written by `make docs` (`dvc dag --md`).'; echo; dvc dag --md; } \
	  > docs/.pipeline.md.partial && mv docs/.pipeline.md.partial docs/pipeline.md

inception dinov2: env
	pokegan fetch $@

inception:  ## download the weights for FID, KID and the Inception Score (96 MB)
dinov2:  ## download the weights for FD-DINOv2 (1.2 GB)

kaggle: env  ## install what download.source=kaggle needs
	python -m pip install --quiet kagglehub==1.0.3

clean-env:  ## remove the virtual environment
	rm -rf .venv
