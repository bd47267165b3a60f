# SPDX-License-Identifier: Apache-2.0
# Every target installs what it needs first (scripts/bootstrap.sh says what and why) and works on a fresh clone.
.DEFAULT_GOAL := help

run = scripts/with-node.sh

help:
	@echo 'make demo         run the examples'
	@echo 'make demo-attack  one attack twice: in a plain disposable box, and in Sallyport; and a publish'
	@echo 'make test         unit, architecture, fault, end-to-end and escape tests (a quarter of an hour on two processors)'
	@echo 'make test-servers tests against real servers: OpenBao, PostgreSQL, moto, a registry (the first time they are downloaded)'
	@echo 'make soak         the long repetitions'
	@echo 'make check        types, lint, format, unused code, import direction, unit tests'
	@echo 'make bench        the benchmark table, beside the peers that are installed'
	@echo 'make build        the bundle in dist/, the static helper and the addon in build/native/'
	@echo 'make clean        remove build/ and dist/'

bootstrap:
	@scripts/bootstrap.sh

bootstrap-test:
	@scripts/bootstrap.sh test

build: bootstrap
	@$(run) scripts/build.ts

demo: build
	@$(run) scripts/demo.ts

# Its publish needs a server and a name server of its own, as tests do
demo-attack: bootstrap-test build
	@$(run) scripts/demo-attack.ts

test: bootstrap-test build
	@$(run) scripts/test.ts

bootstrap-servers:
	@scripts/bootstrap.sh servers

test-servers: bootstrap-servers build
	@$(run) scripts/test-servers.ts

soak: bootstrap-test build
	@$(run) scripts/test.ts soak

# Unit tests take locks, which needs the addon of native/
check: bootstrap
	@$(MAKE) --silent -C native
	@$(run) scripts/check.ts

bench: build
	@$(run) bench/main.ts

clean:
	rm -rf build dist

.PHONY: help bootstrap bootstrap-test bootstrap-servers build demo demo-attack test test-servers soak check bench clean
