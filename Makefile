# Concord. `make help` lists what there is.
.DEFAULT_GOAL := help

PYTHON ?= $(shell command -v python3.11 || command -v python3)
UV_VERSION := 0.13.9
BIN := .venv/bin
PORT ?= 8000
VAR ?= $(CURDIR)/var

# Tests: any arguments for pytest, as in `make test ARGS="tests/annotation -k lease"`.
ARGS ?=
export PORT VAR

.PHONY: help run test looks shots coverage faults lint fmt messages bench bench-engine bench-page bench-stats bench-nightly bench-releases trl trl-long doctor

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/.run ## Start everything and print the address and the logins (PORT=8000 VAR=./var)
	@$(BIN)/python manage.py up

test: .venv/.dev ## Run all tests but those of TRL
	@echo "TRL is apart: make trl trains it on a real release."
	$(BIN)/python -m pytest -m "not trl" -n 4 --dist loadfile --no-loadscope-reorder $(ARGS)

looks: .venv/.dev ## Look at every page with axe in both themes at all widths (`make test` takes half of them)
	CONCORD_LOOKS=all $(BIN)/python -m pytest tests/e2e -n 3 --dist loadfile $(ARGS)

shots: .venv/.dev ## Picture every page in both themes at 1440, 768 and 390 px (into VAR/shots)
	rm -rf "$(VAR)/shots"
	CONCORD_SHOTS="$(VAR)/shots" $(BIN)/python -m pytest tests/e2e -n 2 --dist loadfile $(ARGS)
	@echo "$(VAR)/shots has $$(ls "$(VAR)/shots" | wc -l) pictures."

coverage: .venv/.dev ## Run the tests and print what they leave out
	$(BIN)/python -m pytest -m "not trl" -n 4 --dist loadfile --no-loadscope-reorder --cov --cov-report=term $(ARGS)

faults: .venv/.dev ## Kill, cut and flush things at length and print the figures (about an hour; ARGS="-k postgres")
	CONCORD_FAULTS=long $(BIN)/python -m pytest tests/faults tests/config/test_metrics.py tests/annotation/test_slot_life.py -n 0 -p no:randomly -s $(ARGS)

lint: .venv/.dev ## Check style, types, imports between the rooms and missing migrations
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run --settings annotation.config.offline

fmt: .venv/.dev ## Put the code in shape
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

messages: .venv/.dev ## Collect what pages say into locale/ and compile it (needs gettext)
	$(BIN)/python -W ignore::RuntimeWarning manage.py makemessages --all --no-location --no-obsolete --no-wrap \
		$(foreach folder,.venv* var tests bench docs static build,--ignore '$(folder)') --settings annotation.config.offline
	@for po in locale/*/LC_MESSAGES/django.po; do msgfmt --check-format -o "$${po%.po}.mo" "$$po" || exit 1; done

bench: .venv/.dev ## Run the benchmarks, each beside its peer or floor
	@for bench in $(filter-out bench/next_item.py bench/nightly.py bench/releases.py,$(wildcard bench/*.py)); do echo "== $$bench"; $(BIN)/python $$bench || exit 1; done
	@$(MAKE) --no-print-directory bench-engine

bench-page: .venv/.dev ## Measure the way to the next item on what `make run` started (same PORT and VAR)
	$(BIN)/python bench/next_item.py "http://127.0.0.1:$(PORT)" "$(VAR)/logins.json" --browser "$$(command -v chromium)"

bench-stats: .venv/.dev ## Measure agreement on a million judgments beside the package (several minutes)
	$(BIN)/python bench/stats.py

bench-nightly: .venv/.dev ## Compute every figure of a million judgments (several minutes; ARGS="--judgments 100000")
	$(BIN)/python bench/nightly.py $(ARGS)

bench-releases: .venv/.dev ## Cut a release of a million judgments (a quarter of an hour; ARGS="--judgments 100000")
	$(BIN)/python bench/releases.py $(ARGS)

bench-engine: .venv/.dev ## Measure lease and submit beside peer and floor (ARGS="--skip-million" is short)
	@echo "== bench/engine"
	@$(BIN)/python -m bench.engine $(ARGS)

trl: .venv/.dev .venv-trl/.trl ## Train TRL on a real release (installs TRL into .venv-trl first)
	$(BIN)/python -m pytest -m trl -n 0 $(ARGS)

trl-long: .venv/.dev .venv-trl/.trl ## The same on all 2,312 real pairs, and on every format as Parquet and as JSONL
	CONCORD_TRL=long $(BIN)/python -m pytest -m trl -n 0 $(ARGS)

doctor: .venv/.run ## Check the running instance
	@$(BIN)/python manage.py doctor

# The environments. A stamp is newer than its lock file while nothing is to be done.

.venv/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit("Concord needs Python 3.11; this is %d.%d. Set PYTHON=/path/to/python3.11" % sys.version_info[:2] if sys.version_info[:2] != (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

.venv/.run: requirements.lock .venv/bin/uv
	$(call install,requirements.lock)
	@touch $@

.venv/.dev: requirements-dev.lock .venv/bin/uv
	$(call install,requirements-dev.lock)
	@touch $@ .venv/.run

# uv is quick but reads no pip configuration (a company's mirror, say); pip is the same lock, slower.
define install
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r $(1) || \
		{ echo "uv could not install $(1); trying pip" >&2; \
		  $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1); }
	@printf '%s\n' '$(CURDIR)' > "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/concord.pth"
	@printf '#!/bin/sh\nexec "%s" -m exporters.cli "$$@"\n' '$(CURDIR)/$(BIN)/python' > $(BIN)/concord
	@chmod +x $(BIN)/concord
endef

# TRL apart: plain pip takes the CPU build of torch where the platform offers it.
.venv-trl/.trl: requirements-trl.txt
	$(PYTHON) -m venv .venv-trl
	.venv-trl/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-trl.txt
	@touch $@
