// Command push measures how the faults of a collector affect the requests of a
// service that pushes to it: latencies as ratios to a service that does not push,
// and the memory and goroutines that remain.
//
//	go run ./integration/bench/push --rounds 5 --each 2s
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/kong"

	"github.com/ekiben-serving/ekiben/internal/progress"
)

type flags struct {
	Rounds  int           `help:"Rounds; each runs every fault once." default:"5"`
	Each    time.Duration `help:"Time for each fault in a round." default:"2s"`
	Push    time.Duration `help:"Time between pushes; a service's default is a minute." default:"1s"`
	Clients int           `help:"Clients; each sends its next request when it has a response." default:"8"`
}

func main() {
	var f flags
	kong.Parse(&f)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, f)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "push:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, f flags) error {
	seen := map[string][]measured{}
	line := progress.New(os.Stderr, f.Rounds*len(faults))
	for range f.Rounds {
		for _, fault := range faults {
			line.Stepf("%s", fault.name)
			m, err := measure(ctx, fault, f)
			if err != nil {
				return fmt.Errorf("%s: %w", fault.name, err)
			}
			seen[fault.name] = append(seen[fault.name], m)
		}
	}
	line.End()
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
	_, _ = fmt.Fprintln(out, "| collector\t| p50\t| of none\t| p99\t| of none\t| pushes failed\t| heap after\t| goroutines more\t|")
	_, _ = fmt.Fprintln(out, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
	for _, fault := range faults {
		all, none := seen[fault.name], seen[faults[0].name]
		_, _ = fmt.Fprintf(out, "| %s\t| %.3f ms\t| %.2f\t| %.2f ms\t| %.2f\t| %.0f\t| %.1f MB\t| %.0f\t|\n", fault.name,
			middle(all, nil, func(m measured) float64 { return m.p50 }), middle(all, none, func(m measured) float64 { return m.p50 }),
			middle(all, nil, func(m measured) float64 { return m.p99 }), middle(all, none, func(m measured) float64 { return m.p99 }),
			middle(all, nil, func(m measured) float64 { return m.failed }), middle(all, nil, func(m measured) float64 { return m.heap }),
			middle(all, nil, func(m measured) float64 { return m.goroutines }))
	}
	return out.Flush()
}

// middle returns the median of a value over the rounds. With base, it is the
// median of the ratios to the same round of base.
func middle(rounds, base []measured, of func(measured) float64) float64 {
	values := make([]float64, len(rounds))
	for i, m := range rounds {
		values[i] = of(m)
		if base != nil {
			values[i] /= of(base[i])
		}
	}
	slices.Sort(values)
	return values[len(values)/2]
}
