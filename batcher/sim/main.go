// Command sim runs the batcher's own decisions through simulated time.
package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"text/tabwriter"

	"github.com/ekiben-serving/ekiben/batcher/internal/core"
)

var quick = len(os.Args) > 1 && os.Args[1] == "-quick"

// requests is about how many a cell has.
const requests = 20_000

var loads = []float64{0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95}

// hindsight tries pairs of a size that is enough and a longest wait, and
// returns the outcome with the best mean.
func hindsight(m model, arrivals []int64, horizon int64, seed uint64) (best outcome, pair string) {
	for _, enough := range []int{1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 32, 48, 64} {
		if enough > m.size {
			break
		}
		for _, wait := range []float64{0.25, 0.5, 1, 2, 3, 4, 5, 7, 10, 20, 40} {
			if enough == 1 && wait > 0.25 {
				break // it never waits
			}
			hold := func(queued int, oldest int64) int64 {
				if queued >= enough {
					return 0
				}
				return oldest + int64(wait*ms)
			}
			o := run(m, arrivals, horizon, seed, core.Config{Policy: core.Held, Hold: hold}, 0)
			if best.answered == 0 || o.mean < best.mean {
				best, pair = o, fmt.Sprintf("%d, %g ms", enough, wait)
			}
		}
	}
	return best, pair
}

func main() {
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "model\ttraffic\tload\tadaptive\tidle\t2 ms\t10 ms\tCORK\tbest\tpair\ta/best\ta/idle")
	for _, m := range models {
		for _, traffic := range traffics {
			for _, load := range loads {
				horizon := int64(requests / (load * m.capacity()))
				if m.noise > 0 {
					horizon *= 10 // or luck decides
				}
				arrivals := traffic.make(rand.New(rand.NewPCG(7, 1)), load*m.capacity(), horizon)
				adaptive := run(m, arrivals, horizon, 7, core.Config{}, 0)
				idle := run(m, arrivals, horizon, 7, core.Config{Policy: core.Idle}, 0)
				w2 := run(m, arrivals, horizon, 7, core.Config{Policy: core.Window, Window: 2 * ms}, 0)
				w10 := run(m, arrivals, horizon, 7, core.Config{Policy: core.Window, Window: 10 * ms}, 0)
				ck := cork(m, arrivals, horizon, 7, 0)
				best, pair := idle, ""
				if !quick {
					best, pair = hindsight(m, arrivals, horizon, 7)
				}
				fmt.Fprintf(table, "%s\t%s\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%s\t%.3f\t%.3f\n", m.name, traffic.name, load,
					adaptive.mean, idle.mean, w2.mean, w10.mean, ck.mean, best.mean, pair, adaptive.mean/best.mean, adaptive.mean/idle.mean)
			}
		}
		_ = table.Flush()
	}
}
