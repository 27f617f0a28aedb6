# Every target sets up .venv by itself; `make test` on a fresh checkout needs Python 3.11 or later, make and PyPI.
PYTHON ?= python3
JOBS ?= 2
PYTEST_ARGS ?=
DEMO_ARGS ?=

BIN := .venv/bin
STAMP := .venv/.installed
SPHINX := $(BIN)/sphinx-build -W --keep-going -q -d docs/_build/doctrees

# Several OpenMP runtimes live in one process (torch, scikit-learn); waiting threads that spin take the cores from them.
export OMP_WAIT_POLICY := passive

.PHONY: demo test lint bench docs clean

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@

demo: $(STAMP)
	$(BIN)/python -m examples.aerial $(DEMO_ARGS)

# Two processes: the first checks every annotated shape and type of the package while it runs, the second does not,
# because that check breaks full-graph tracing and answers hostile input before the package's own errors do.
test: $(STAMP)
	OMP_NUM_THREADS=1 LABELASSIGN_HOOK=1 $(BIN)/python -m pytest -n $(JOBS) $(PYTEST_ARGS)
	OMP_NUM_THREADS=1 LABELASSIGN_HOOK=0 $(BIN)/python -m pytest -n $(JOBS) tests/plain $(PYTEST_ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

bench: $(STAMP)
	$(BIN)/python -m benchmarks

docs: $(STAMP)
	$(SPHINX) -b html docs docs/_build/html
	$(SPHINX) -b doctest docs docs/_build/doctest

clean:
	rm -rf .venv build dist demo_output docs/_build docs/_api .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
