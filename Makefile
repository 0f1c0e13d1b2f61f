# Every target works as the first command on a fresh machine with Python >= 3.11 and make; nothing is installed twice.
PYTHON ?= python3
PYTEST_ARGS ?=
RUN := .venv/bin/python -m
SUPPORTED = $(shell $(PYTHON) -c 'import sys; print("yes" if sys.version_info >= (3, 11) else "")' 2>&1 | grep -x yes)

.DEFAULT_GOAL := help
.PHONY: help setup test figures check clean

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16

setup: .venv/.installed  ## make .venv with the pinned packages (again after pyproject.toml or constraints.txt changed)

test: .venv/.installed  ## run the tests; PYTEST_ARGS="-k sink" chooses
	$(RUN) pytest -n 2 --dist loadgroup -q $(PYTEST_ARGS)

# The report is written even when a check or a claim fails, because it shows which; the target then fails all the same.
figures: .venv/.installed  ## run every experiment (quick) and write paper_figures/index.html
	$(RUN) experiments run --all --profile quick; run=$$?; \
	$(RUN) experiments claims --record; claims=$$?; \
	$(RUN) experiments report && exit $$((run | claims))

check: .venv/.installed  ## lint, format and types (static; array shapes at run time), changing nothing
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(RUN) pytest -q tests/test_sink_flow.py -k 'autograd or drains or starts' --jaxtyping-packages=theory.sink_flow,beartype.beartype

clean:  ## remove the environment and all caches; results/ and paper_figures/ stay
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is the last step, so an interrupted set-up starts over.
.venv/.installed: pyproject.toml constraints.txt
	$(if $(SUPPORTED),,$(error Python >= 3.11 is needed, and '$(PYTHON)' is not one; try: make $(MAKECMDGOALS) PYTHON=python3.11))
	@rm -f $@
	$(PYTHON) -m venv .venv
	$(RUN) pip install -q -c constraints.txt -e '.[dev]'
	@touch $@
