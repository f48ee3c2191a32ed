package real

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// numbers is a service of which it is known what its page must say.
func numbers(hold <-chan struct{}) *runtime.Service {
	type input struct {
		Fail bool `json:"fail" default:"false"`
	}
	svc := runtime.NewService("Numbers")
	runtime.Handle(svc, "nap", func(_ context.Context, in struct {
		For int `json:"for" doc:"Milliseconds."`
	},
	) (string, error) {
		time.Sleep(time.Duration(in.For) * time.Millisecond)
		return "rested", nil
	})
	runtime.Handle(svc, "hold", func(context.Context, struct{}) (string, error) {
		<-hold
		return "let go", nil
	})
	runtime.Handle(svc, "try", func(_ context.Context, in input) (string, error) {
		if in.Fail {
			return "", errors.New("it was to fail")
		}
		return "well", nil
	})
	runtime.HandleBatch(svc, "merge", func(_ context.Context, xs []int) ([]int, error) {
		time.Sleep(20 * time.Millisecond)
		return xs, nil
	}, batcher.Config{MaxBatchSize: 4}, runtime.Items("xs"))
	return svc
}

// last is the newest value that a chart draws of a series.
func last(chart, series int) string {
	return "charts[" + string(rune('0'+chart)) + "].plot.data[" + string(rune('0'+series)) + "].at(-1)"
}

// TestPageNumbers compares what the tiles and the charts say with traffic that
// is known, whichever of the families they read.
func TestPageNumbers(t *testing.T) {
	for _, convention := range []string{"bentoml", "http"} {
		t.Run(convention, func(t *testing.T) {
			hold := make(chan struct{})
			release := sync.OnceFunc(func() { close(hold) })
			defer release()
			base := served(t, numbers(hold), func(c *config.Config) { c.Metrics.Conventions = []string{convention} })
			b := browse(t, base+"/")
			eventually(t, "a second reading", func() bool { return b.number(`past.time.length`) > 1 })
			t.Run("requests", func(t *testing.T) { numbersOfRequests(t, b, base) })
			t.Run("latency", func(t *testing.T) { numbersOfLatency(t, b, base) })
			t.Run("batches", func(t *testing.T) { numbersOfBatches(t, b, base) })
			t.Run("in progress", func(t *testing.T) {
				if convention == "http" { // which has no such family
					if hidden := b.text(`[charts[2].box.hidden, $('progress').parentElement.hidden, charts[3].box.hidden]`); hidden != "true,true,false" {
						t.Errorf("hidden: %s", hidden)
					}
					return
				}
				numbersInProgress(t, b, base, release)
			})
			if problems := b.complaints(); len(problems) > 0 {
				t.Errorf("the browser complains: %q", problems)
			}
		})
	}
}

// numbersOfRequests has one answer of four fail; an invalid input is the
// client's failure, not the server's.
func numbersOfRequests(t *testing.T, b *tab, base string) {
	t.Helper()
	answered, stop := crowd(t, 2, 10*time.Millisecond, base+"/try", `{}`, `{"fail":true}`, `{"fail":"perhaps"}`, `{}`)
	defer stop()
	eventually(t, "a quarter failing", func() bool {
		failing := b.number(`parseFloat($('failing').textContent)`)
		return failing > 20 && failing < 30 && math.Abs(b.number(last(0, 2)+"/"+last(0, 1))-.25) < .05
	})
	eventually(t, "some more readings", func() bool { return b.number(`past.all.filter(v => v > 0).length`) > 3 })
	stop()
	eventually(t, "the end of it", func() bool {
		return b.text(`$('rate').textContent`) == "0" && b.text(`$('failing').textContent`) == "0 %"
	})
	sent := float64(answered.Load())
	if counted := b.number(`charts[0].plot.data[0].reduce((n, at, i, times) => n + (i ? charts[0].plot.data[1][i] * (at - times[i - 1]) : 0), 0)`); math.Abs(counted-sent) > sent/10 {
		t.Errorf("%v requests were sent, the chart has %v", sent, counted)
	}
}

// numbersOfLatency has all of twenty requests end between two readings. Each
// quantile lies between other boundaries of the histogram: ten of the twelve
// short ones are the lower half, and so on. A busy machine may make a request
// too slow for that, and is asked again.
func numbersOfLatency(t *testing.T, b *tab, base string) {
	t.Helper()
	b.text(`(window.reads = poll, poll = async () => {})`)
	defer b.text(`(poll = window.reads)`)
	read := func() {
		readings := b.number(`past.time.length`)
		b.text(`(window.reads(), 0)`)
		eventually(t, "a reading", func() bool { return b.number(`past.time.length`) > readings })
	}
	const want = "225 ms,2.2 s,225 ms,464 ms,2.2 s,0.225,0.464,2.200,latency, now: p50 225 ms, p90 464 ms, p99 2.2 s"
	said := "nothing"
	for range 5 {
		read()
		var naps sync.WaitGroup
		for body, n := range map[string]int{`{"for":170}`: 12, `{"for":330}`: 7, `{"for":1500}`: 1} {
			for range n {
				naps.Go(func() { send(t, "POST", base+"/nap", body) })
			}
		}
		naps.Wait()
		read()
		said = b.text(`[$('p50').textContent, $('p99').textContent, ...charts[1].box.innerText.match(/p50 (.*)\s+p90 (.*)\s+p99 (.*)/).slice(1),
			...[1, 2, 3].map(i => charts[1].plot.data[i].at(-1).toFixed(3)), charts[1].canvas.getAttribute('aria-label')].join()`)
		if said == want {
			return
		}
	}
	t.Errorf("the page says\n%s, want\n%s", said, want)
}

// numbersOfBatches keeps more requests waiting than a batch takes: all of them
// are full.
func numbersOfBatches(t *testing.T, b *tab, base string) {
	t.Helper()
	_, stop := crowd(t, 24, 0, base+"/merge", `{"xs":[1]}`)
	defer stop()
	eventually(t, "the mean of full batches", func() bool {
		return b.number(`$('batch').textContent`) > 3.8 && b.number(last(3, 1)) > 3.8 && b.number(last(3, 1)) <= 4
	})
}

func numbersInProgress(t *testing.T, b *tab, base string, release func()) {
	t.Helper()
	var held sync.WaitGroup
	for range 7 {
		held.Go(func() { send(t, "POST", base+"/hold", `{}`) })
	}
	eventually(t, "what is held", func() bool {
		return b.text(`$('progress').textContent`) == "7" && b.text(last(2, 1)) == "7" && b.text(`charts[2].canvas.getAttribute('aria-label')`) == "in progress, now: 7"
	})
	release()
	held.Wait()
	eventually(t, "nothing held", func() bool { return b.text(`$('progress').textContent`) == "0" && b.text(last(2, 1)) == "0" })
}
