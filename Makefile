# Two commands on a fresh machine: make study, make test. Nothing has to be set up before them.
PYTHON ?= python3
PRESET ?= laptop
BIN := .venv/bin

.PHONY: env study test soak interop bench lint docs clean
.DEFAULT_GOAL := help

help:
	@echo "make study [PRESET=laptop]  plan, train, fit and report a study on the embedded corpus"
	@echo "make test                  run the tests"
	@echo "make lint                  ruff and mypy"
	@echo "make soak                  longer tests: killed and interrupted sweeps, calibration of intervals"
	@echo "make interop               exported runs on Megatron-core, torchtitan and OLMo-core (installs them, on the CPU)"
	@echo "make docs                  write the generated pages and build the site into site/"
	@echo "make bench                 run benchmarks/"

env: .venv/.ready

.venv/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; give one with PYTHON=")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

study: env
	$(BIN)/python -m scaling.study $(PRESET)

test: env
	$(BIN)/python -m pytest -q -n auto

soak: env
	$(BIN)/python -m pytest -q -m soak -n auto

# The engines see the packages of .venv; their own versions are pinned and come without their dependencies.
interop: .interop/.ready
	.interop/bin/python -m pytest -q -rP -m soak -n 0 -W ignore --log-level=ERROR \
	  tests/jobs/engines/test_megatron.py tests/jobs/engines/test_torchtitan.py tests/jobs/engines/test_olmo_core.py

.interop/.ready: .venv/.ready tests/interop.txt
	$(BIN)/python -m venv .interop
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
	  > $$(.interop/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/project.pth
	.interop/bin/pip install --quiet --disable-pip-version-check --no-deps -r tests/interop.txt
	@touch $@

bench: env
	$(BIN)/python benchmarks/experts.py
	$(BIN)/python benchmarks/step.py
	$(BIN)/python benchmarks/fitting.py
	$(BIN)/python benchmarks/plan.py
	$(BIN)/python benchmarks/sweep.py
	$(BIN)/python benchmarks/report.py
	$(BIN)/python benchmarks/scale.py

docs: env
	$(BIN)/python -m docs
	$(BIN)/python -m mkdocs build --strict

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf .venv .interop build dist site *.egg-info
