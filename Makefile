# `make test` runs every test; it says what is missing before it begins.
.PHONY: test test-rust test-python check docs bench

# The environment that the Python package is built into and tried out in.
PYTHON ?= python3
VENV := target/python
export VIRTUAL_ENV := $(CURDIR)/$(VENV)

test: test-rust test-python

test-rust:
	@command -v cargo >/dev/null || { echo "missing: a Rust toolchain (1.95 or newer), see https://rustup.rs" >&2; exit 1; }
	@command -v cc >/dev/null || { echo "missing: a C compiler (SQLite is built from source), such as the package gcc" >&2; exit 1; }
	@command -v strace >/dev/null || { echo "missing: strace, which the crash tests need; the package has that name (apt-get install strace)" >&2; exit 1; }
	@command -v faketime >/dev/null || { echo "missing: faketime, which the crash tests need; the package has that name (apt-get install faketime)" >&2; exit 1; }
	@command -v valgrind >/dev/null || { echo "missing: valgrind, which counts instructions; the package has that name (apt-get install valgrind)" >&2; exit 1; }
	cargo test --workspace --no-fail-fast

# Builds the package as it is, without optimisation, into its environment, and tries it out: types, style, tests, examples.
test-python: $(VENV)/ready
	$(VENV)/bin/maturin develop --quiet --manifest-path provisioning-py/Cargo.toml
	cd provisioning-py && ../$(VENV)/bin/mypy python/provisioning tests ../examples/python
	cd provisioning-py && ../$(VENV)/bin/pyright --pythonpath ../$(VENV)/bin/python
	cd provisioning-py && ../$(VENV)/bin/ruff check python tests ../examples/python && ../$(VENV)/bin/ruff format --check python tests ../examples/python
	cd provisioning-py && ../$(VENV)/bin/python -m pytest
	for example in examples/python/*.py; do echo "$$example"; $(VENV)/bin/python "$$example" >/dev/null || exit 1; done

$(VENV)/ready: provisioning-py/pyproject.toml
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || { echo "missing: Python 3.10 or newer with venv (the packages python3 and python3-venv); another one than python3 is PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet 'maturin>=1.9,<2' 'pytest>=8' 'mypy>=1.15' 'pyright>=1.1.400' 'ruff>=0.9'
	touch $@

check:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet
	@if command -v cargo-deny >/dev/null; then cargo deny --offline check licenses bans sources; else echo "cargo-deny is not here: licences were not checked"; fi

docs:
	cargo doc --workspace --no-deps --open

bench:
	cargo bench --bench engine
