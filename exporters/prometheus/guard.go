package prometheus

import (
	"errors"
	"fmt"

	client "github.com/prometheus/client_golang/prometheus"
)

// errCallbackPanic is wrapped by what a scrape returns when an observable's
// callback panicked.
var errCallbackPanic = errors.New("a metric callback panicked")

// guardedRegisterer wraps what is registered, because the registry collects in
// goroutines of its own, where a callback's panic is nobody's to recover.
type guardedRegisterer struct{ client.Registerer }

// Register registers c with its panics turned into errors of Gather.
func (g guardedRegisterer) Register(c client.Collector) error {
	return g.Registerer.Register(guardedCollector{c})
}

type guardedCollector struct{ client.Collector }

// Collect reports a panic as an invalid metric: Gather then returns what else
// it has together with that error.
func (g guardedCollector) Collect(ch chan<- client.Metric) {
	defer func() {
		if r := recover(); r != nil {
			err := fmt.Errorf("%w: %v", errCallbackPanic, r)
			ch <- client.NewInvalidMetric(client.NewInvalidDesc(err), err)
		}
	}()
	g.Collector.Collect(ch)
}
