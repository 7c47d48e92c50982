# `make test` runs every test; it says what is missing before it begins.
.PHONY: test check docs bench

test:
	@command -v cargo >/dev/null || { echo "missing: a Rust toolchain (1.95 or newer), see https://rustup.rs" >&2; exit 1; }
	@command -v cc >/dev/null || { echo "missing: a C compiler (SQLite is built from source), such as the package gcc" >&2; exit 1; }
	@command -v strace >/dev/null || { echo "missing: strace, which the crash tests need; the package has that name (apt-get install strace)" >&2; exit 1; }
	@command -v faketime >/dev/null || { echo "missing: faketime, which the crash tests need; the package has that name (apt-get install faketime)" >&2; exit 1; }
	cargo test --workspace --no-fail-fast

check:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet
	@if command -v cargo-deny >/dev/null; then cargo deny --offline check licenses bans sources; else echo "cargo-deny is not here: licences were not checked"; fi

docs:
	cargo doc --workspace --no-deps --open

bench:
	cargo bench --bench engine
