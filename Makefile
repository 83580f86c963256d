# Every target sets up what it needs: a virtual environment, pinned dependencies, the package.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help install test test-lowest test-versions lint docs fuzz demo train-tiny weights clean
help:
	@echo "make demo | test | test-lowest | lint | docs | fuzz | train-tiny | weights | install | clean"

install: .venv/.installed

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

test: install
	$(BIN)/pytest

# The parts of the tests that depend on versions; with the lowest ones of pyproject.toml.
VERSIONS := tests/test_imports.py tests/test_config.py tests/test_transforms.py tests/acquisition tests/audit \
  tests/diffusion tests/metrics tests/network tests/restore tests/training tests/volume
PYTEST ?= $(BIN)/pytest

test-versions:
	$(PYTEST) -W default $(VERSIONS)

test-lowest: .venv-lowest/.installed
	$(MAKE) test-versions PYTEST=.venv-lowest/bin/pytest

.venv-lowest/.installed: pyproject.toml constraints-lowest.txt
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/pip install --quiet --disable-pip-version-check -c constraints-lowest.txt torch
	.venv-lowest/bin/pip install --quiet --disable-pip-version-check -c constraints-lowest.txt \
	  -e ".[all]" pytest pytest-timeout
	@touch $@

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell

# The documentation site with executed examples: out/docs/index.html. Warnings are errors.
SPHINXFLAGS ?=
docs: .venv/.installed-docs
	$(BIN)/sphinx-build -W --keep-going -q -d out/doctrees $(SPHINXFLAGS) docs out/docs
	@echo "Look at out/docs/index.html"

.venv/.installed-docs: .venv/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt \
	  furo myst-parser sphinx sphinx-copybutton sphinx-gallery
	@touch $@

# 100,000 mutated inputs of each kind, for hours; what is found goes below out/fuzz.
FUZZ_COUNT ?= 100000
FUZZ_SEED ?= 0
FUZZ_WORKERS ?= 2
fuzz: install
	$(BIN)/python -m tests.fuzz all --count $(FUZZ_COUNT) --seed $(FUZZ_SEED) --workers $(FUZZ_WORKERS)

demo: install
	@mkdir -p out
	$(BIN)/medsr enhance sample_data/head_T1w_thick.nii.gz -o out/head_enhanced.nii.gz --spacing 0.9375 --overwrite
	$(BIN)/medsr evaluate --reference sample_data/head_T1w_reference.nii.gz \
	  --estimate out/head_enhanced.nii.gz --low sample_data/head_T1w_thick.nii.gz \
	  -o out/metrics.json --picture out/before_after.png --report out/report.html
	@echo "Look at out/report.html (in a browser) and out/metrics.json"

# Needs training scans: make train-tiny DATA=FOLDER
DATA ?= ../shared/data
train-tiny: install
	$(BIN)/medsr train configs/tiny.yaml data.root=$(DATA)

# The bundled weights again, stage by stage; hours. Resumes: make weights DATA=FOLDER [MODEL=mr-head]
MODEL ?= mr-head ct-body
weights: install
	@for model in $(MODEL); do $(BIN)/medsr weights configs/$$model data.root=$(DATA) || exit; done

clean:
	rm -rf .venv .venv-lowest out build *.egg-info
