# What people and CI run. `make test` and `make demo` need a Rust toolchain, git, make and a C
# compiler; what else they need they get through the system's package manager, or say in one line
# what to install. Works as root and as an ordinary user.

CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
BIN := $(TARGET)/debug
TOOLS := $(TARGET)/tools
FUZZ := $(abspath $(TARGET))/fuzz
FUZZED := $(patsubst crates/testkit/fuzz/fuzz_targets/%.rs,%,\
	$(wildcard crates/testkit/fuzz/fuzz_targets/*.rs))
# The version of buf that lints and compares the wire, where none is installed.
BUF_VERSION := 1.75.0

# One story, and how often: make soak ONLY=race COUNT=1000
ONLY ?=
COUNT ?=
# A part of the figures, in rounds of one's own: make bench ONLY=instances COUNT=50 SIDECARS=1000
SIDECARS ?=
JSON ?=

.PHONY: help demo test compose-test soak broken fuzz lint bench clean build deps wire schema services fmt-check clippy deny buf tidy

help: ## what there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 16

demo: build ## the whole story in one terminal
	@$(BIN)/secretref demo

test: deps build ## everything that has to pass, on SQLite and on a throwaway Postgres
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
		$(BIN)/with-postgres $(CARGO) nextest run --workspace --no-fail-fast \
			--config-file crates/testkit/nextest.toml; \
	else \
		$(BIN)/with-postgres $(CARGO) test --workspace --lib --bins --tests --no-fail-fast; \
	fi
	@# The code that must not compile: values that would be printed, cloned or written.
	@$(CARGO) test --quiet --doc -p secretref-domain -p secretref-identity -p secretref-envelope

compose-test: build ## docker-compose.yml for real, with an engine of its own where none runs
	@crates/testkit/compose/test.sh

soak: deps build ## the published figures: ONLY=story COUNT=n; ONLY=fuzz COUNT=seconds
	@if [ '$(ONLY)' != fuzz ]; then \
		SECRETREF_SOAK=1 SECRETREF_SOAK_COUNT='$(COUNT)' $(BIN)/with-postgres $(CARGO) test \
			-p secretref-testkit --test stories -- --nocapture --test-threads 1 $(ONLY); \
	fi
	@case '$(ONLY)' in ''|fuzz) $(MAKE) --no-print-directory fuzz ONLY= COUNT='$(COUNT)';; esac

broken: deps ## known mistakes, built in on purpose: each is caught by a test: ONLY=name
	@COUNT='$(COUNT)' crates/testkit/broken/run.sh $(ONLY)

# Each parser of foreign bytes, for COUNT seconds. The sanitizers look for what safe code cannot do;
# without them a target does several times as many. What is found becomes a file of the corpus.
fuzz: ## the parsers of foreign bytes: ONLY=target COUNT=seconds
	@if ! $(CARGO) +nightly fuzz --version >/dev/null 2>&1; then \
		echo "fuzz: needs a nightly compiler and cargo-fuzz: rustup toolchain install nightly" \
			"&& cargo install --locked cargo-fuzz" >&2; exit 1; \
	fi
	@cd crates/testkit && for target in $(or $(ONLY),$(FUZZED)); do \
		mkdir -p $(FUZZ)/corpus/$$target && \
		$(CARGO) +nightly fuzz run --sanitizer none --target-dir $(FUZZ) $$target \
			$(FUZZ)/corpus/$$target fuzz/corpus/$$target -- \
			-max_total_time=$(or $(COUNT),60) -print_final_stats=1 -verbosity=0 \
			2>&1 | tee $(FUZZ)/$$target.log | grep -E 'stat::number_of_executed|panicked|SUMMARY' \
			| sed "s/^/fuzz $$target: /"; \
		grep -q 'stat::number_of_executed' $(FUZZ)/$$target.log && \
			! grep -q 'SUMMARY' $(FUZZ)/$$target.log || { tail -20 $(FUZZ)/$$target.log; exit 1; }; \
	done

lint: fmt-check clippy deny buf tidy ## formatting, lints, licences, the wire, the law
	@echo "lint: clean"

bench: deps ## put to delivered and applied, beside a bare fan-out as the limit
	@$(CARGO) build --quiet --release -p secretref-broker -p secretref-sidecar -p secretref \
		-p secretref-testkit --bin secretref-broker --bin secretref-sidecar --bin secretref --bin bench
	@$(TARGET)/release/bench $(if $(ONLY),--only '$(ONLY)') $(if $(COUNT),--rounds '$(COUNT)') \
		$(if $(SIDECARS),--sidecars '$(SIDECARS)') $(if $(JSON),--json) \
		$(if $(ONLY)$(SIDECARS),,--write docs/performance.md)

clean: ## removes everything that was built
	@$(CARGO) clean

# All binaries of the workspace at once, so that `test`, which needs all of them, builds nothing
# twice.
build:
	@$(CARGO) build --quiet --workspace --bins

deps: ## what the tests need of the system: Postgres binaries, libfaketime, curl, jq, openssl, iproute2
	@crates/testkit/install-tools.sh

wire: ## commits to the wire as it is: proto/secretref.v1.binpb
	@SECRETREF_WIRE_REFRESH=1 $(CARGO) test --quiet -p secretref-testkit --test wire

schema: ## writes the JSON Schema of manifests as the keys are: docs/manifest.schema.json
	@SECRETREF_SCHEMA_REFRESH=1 $(CARGO) test --quiet -p secretref-domain schema

services: ## writes the page of known services as the table is: docs/services.md
	@SECRETREF_SERVICES_REFRESH=1 $(CARGO) test --quiet -p secretref-domain page_of_services

fmt-check:
	@$(CARGO) fmt --all --check

clippy:
	@$(CARGO) clippy --quiet --workspace --all-targets -- -D warnings

# Licences, sources and forbidden crates are checked offline. Advisories need their database, which
# is fetched from GitHub: where that cannot be had, it is said and not failed.
deny:
	@if ! $(CARGO) deny --version >/dev/null 2>&1; then \
		echo "lint: cargo-deny is not installed, licences and advisories are NOT checked" \
			"(cargo install --locked cargo-deny)" >&2; \
	else \
		$(CARGO) deny --log-level error check bans licenses sources && \
		{ $(CARGO) deny --log-level error check advisories || \
			echo "lint: advisories failed or their database cannot be had, see above" >&2; }; \
	fi

# buf from PATH, else from PyPI into target/tools. In CI it has to be there.
buf:
	@buf=$$(command -v buf || echo $(TOOLS)/bin/buf); \
	if ! [ -x "$$buf" ]; then mkdir -p $(TARGET); \
		{ python3 -m venv --clear $(TOOLS) && $(TOOLS)/bin/pip install --quiet \
			--disable-pip-version-check buf-bin==$(BUF_VERSION); } >$(TARGET)/buf.log 2>&1 || true; \
	fi; \
	if [ -x "$$buf" ]; then \
		"$$buf" lint proto && "$$buf" breaking proto --against proto/secretref.v1.binpb; \
	elif [ "$$CI" = true ]; then \
		echo "lint: buf could not be had, and CI needs it:" >&2; cat $(TARGET)/buf.log >&2; exit 1; \
	else \
		echo "lint: buf is not installed and could not be fetched: the wire is NOT linted" \
			"(npm install -g @bufbuild/buf)" >&2; \
	fi

tidy:
	@$(CARGO) test --quiet -p secretref-testkit --test tidy
