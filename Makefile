# Maestro OMS. `make run` starts everything, `make test` checks everything, `make help` lists the rest.
# Needs Python 3.11 or newer, make and git; the rest is installed into .venv with checked hashes.

.DEFAULT_GOAL := help
.PHONY: help run test storm lint bench lock clean
SHELL := /bin/sh
MAKEFLAGS += --no-print-directory

# What a person's shell may hold for another project must not reach this one.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV DJANGO_SETTINGS_MODULE

PY := .venv/bin/python
PYTHONS := python3 python3.14 python3.13 python3.12 python3.11 python
OLD := import sys; sys.exit(sys.version_info < (3, 11))
NO_PYTHON := Maestro OMS needs Python 3.11 or newer, and none was found: install it first.
NO_VENV := This Python cannot make virtual environments: install its venv package (Debian: python3-venv).
COMPILE := $(PY) -m uv pip compile --quiet --generate-hashes --no-header --no-annotate \
	--python-version 3.11 $(if $(UPGRADE),--upgrade)

# $(call need,FILE): .venv holds what FILE lists. A copy of FILE beside the packages says that it
# does, so later starts skip this and a changed FILE installs again.
define need
@set -e; \
if ! $(PY) -c '$(OLD)' 2>/dev/null; then \
	rm -rf .venv; \
	for python in $(PYTHONS); do \
		if $$python -c '$(OLD)' 2>/dev/null; then break; fi; python=; \
	done; \
	if [ -z "$$python" ]; then echo '$(NO_PYTHON)' >&2; exit 1; fi; \
	if ! $$python -c 'import ensurepip, venv' 2>/dev/null; then echo '$(NO_VENV)' >&2; exit 1; fi; \
	echo "Making .venv with $$python ..."; \
	$$python -m venv .venv; \
fi; \
if ! cmp -s requirements-uv.txt .venv/requirements-uv.txt; then \
	echo 'Installing uv ...'; \
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.txt; \
	cp requirements-uv.txt .venv/; \
fi; \
if ! cmp -s $(1) .venv/$(1); then \
	echo 'Installing $(1) ...'; \
	$(PY) -m uv pip install --quiet --compile-bytecode --python $(PY) --require-hashes -r $(1) || { \
		echo 'uv could not; trying pip, which takes longer ...' >&2; \
		$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1); \
	}; \
	cp $(1) .venv/; \
fi
endef

help:
	@echo 'make run      start everything on http://127.0.0.1:8000 (PORT=8001 make run: elsewhere)'
	@echo 'make test     lint, types, migrations and all tests (ARGS="-k name" chooses tests)'
	@echo 'make storm    every pair of stock operations in every order of turns, and long storms'
	@echo 'make lint     ruff and mypy only'
	@echo 'make bench    measure (ONLY=name: one benchmark)'
	@echo 'make lock     resolve the dependencies of pyproject.toml again (UPGRADE=1: to the newest)'
	@echo 'make clean    remove .venv, the demo data in var and all caches'

run:
	$(call need,requirements-embedded.txt)
	@exec $(PY) manage.py run --with-parent

test: lint
	$(PY) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run
	$(PY) manage.py check
	$(PY) -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

storm:
	$(call need,requirements-test.txt)
	STORM=all $(PY) -m pytest tests/races tests/storms $(ARGS)

lint:
	$(call need,requirements-test.txt)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy .

bench:
	$(call need,requirements-test.txt)
	@exec $(PY) -m tests.benchmarks $(if $(ONLY),--only $(ONLY))

lock:
	$(call need,requirements-uv.txt)
	$(COMPILE) pyproject.toml -o requirements.txt
	$(COMPILE) pyproject.toml --extra embedded -o requirements-embedded.txt
	$(COMPILE) pyproject.toml --extra embedded --extra test -o requirements-test.txt
	echo uv | $(COMPILE) - -o requirements-uv.txt

# Root's database may be outside the folder; the link is made by config/embedded/places.py.
clean:
	@if [ -x $(PY) ] && $(PY) -c 'from config import embedded as e; exit(not e.running_urls())'; then \
		echo 'Maestro OMS is running in this folder: stop it first.' >&2; exit 1; \
	fi
	@elsewhere=$$(readlink var/elsewhere); case "$$elsewhere" in \
		/var/lib/maestro-oms/?*) rm -rf "$$elsewhere";; \
	esac
	rm -rf .venv var .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
