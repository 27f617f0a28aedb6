# Every target sets up .venv by itself; `make test` on a fresh checkout needs Python 3.11 or later, make and PyPI.
PYTHON ?= python3
JOBS ?= 2
PYTEST_ARGS ?=
DEMO_ARGS ?=
TESTS ?=

BIN := .venv/bin
STAMP := .venv/.installed
BUILT := .venv/.built
SOURCES := CMakeLists.txt $(wildcard labelassign/ops/*/*.cpp labelassign/ops/*/*.h labelassign/ops/*/*.cmake)
SPHINX := $(BIN)/sphinx-build -W --keep-going -q -d docs/_build/doctrees

# Several OpenMP runtimes live in one process (torch, scikit-learn); waiting threads that spin take the cores from them.
export OMP_WAIT_POLICY := passive

.PHONY: demo native test kernels sanitize lint bench docs clean

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@

# The editable install builds the compiled library too. A change of its sources needs only the build that it kept; where
# that was made by a cmake from the package index, which is gone, the install once more.
$(BUILT): $(STAMP) $(SOURCES)
	if ls build/editable/build.ninja build/editable/Makefile 2>/dev/null | grep -q . && command -v cmake >/dev/null; \
	  then cmake --build build/editable; else $(BIN)/python -m pip install --quiet --no-deps -e .; fi
	touch $@

native: $(BUILT)

demo: $(BUILT)
	$(BIN)/python -m examples.aerial $(DEMO_ARGS)

# Two processes: the first checks every annotated shape and type of the package while it runs, the second does not,
# because that check breaks full-graph tracing and answers hostile input before the package's own errors do.
test: $(BUILT)
	OMP_NUM_THREADS=1 LABELASSIGN_HOOK=1 $(BIN)/python -m pytest -n $(JOBS) $(PYTEST_ARGS)
	OMP_NUM_THREADS=1 LABELASSIGN_HOOK=0 $(BIN)/python -m pytest -n $(JOBS) tests/plain $(PYTEST_ARGS)

# What takes minutes: wheels, sanitizers, kernels of other machines run by an interpreter or an emulator.
kernels: $(BUILT)
	OMP_NUM_THREADS=1 LABELASSIGN_HOOK=0 $(BIN)/python -m pytest -m slow_kernels $(PYTEST_ARGS)

# The compiled library under the sanitizers, with tests of your choice: make sanitize TESTS=tests/plain/test_laws.py
sanitize: $(BUILT)
	LABELASSIGN_SANITIZE_TESTS='$(TESTS)' $(BIN)/python -m pytest -m slow_kernels tests/kernels/test_sanitizers.py $(PYTEST_ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

bench: $(BUILT)
	$(BIN)/python -m benchmarks

docs: $(BUILT)
	$(SPHINX) -b html docs docs/_build/html
	$(SPHINX) -b doctest docs docs/_build/doctest

clean:
	rm -rf .venv build dist demo_output docs/_build docs/_api .pytest_cache .ruff_cache .hypothesis
	rm -f labelassign/ops/native/library.json labelassign/ops/native/*labelassign.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
