.PHONY: help check test race fuzz bench serve

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

bench: ## Throughput beside bare net/http; needs wrk.
	go run ./integration/bench

serve: ## The example on port 3000.
	go run ./cmd/ekiben serve
