.PHONY: help check test race fuzz histories simulate mutants bench peers chaos soak integration openapi serve

help: ## Show this list.
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

check: ## Everything that CI runs.
	.ci/run

test: ## The tests.
	go test ./...

race: ## The tests under the race detector.
	go test -race ./...

fuzz: ## Fuzz the decoder for a minute.
	go test -run '^$$' -fuzz FuzzDecode -fuzztime 1m ./runtime/internal/wire

histories: ## A million random histories of the batcher, about two minutes.
	go test ./batcher -run Properties -rapid.checks=1000000 -timeout 30m

simulate: ## Batching policies in simulated time; writes docs/batching-simulation.md, about two minutes.
	go run ./batcher/sim

mutants: ## Change the batcher's core in every small way and see whether its tests notice, about ten minutes.
	go run github.com/go-gremlins/gremlins/cmd/gremlins@v0.6.0 unleash ./batcher/internal/core --workers 1 --timeout-coefficient 10

peers: ## Batching beside BentoML and LitServe, about ten minutes; needs Python.
	go run ./integration/bench/batching

chaos: ## 10,000,000 requests with faults, each of them explained; writes chaos.md, about 90 minutes.
	go run ./integration/chaos --requests 10000000 --round 40000 --workers 192 --report chaos.md

soak: ## One server under load of all kinds for 30 minutes, and what it has at rest each minute; writes soak.md.
	go run ./integration/chaos --soak 30m --report soak.md

integration: ## The tests beside real servers: BentoML, Prometheus 2 and 3, VictoriaMetrics, the Collector, Chromium. They build missing parts first.
	cd integration/real && go run ./missing && go test -v -count=1 -timeout 40m ./...

openapi: ## schemathesis, validators and generated inputs with 2,000 examples for each API; needs Python and npm.
	cd integration/real && go test -v -count=1 -timeout 60m -run 'OpenAPI|GeneratedInputs' -examples 2000

bench: ## Throughput beside bare net/http; needs wrk.
	go run ./integration/bench

serve: ## The example on port 3000.
	go run ./cmd/ekiben serve
