package runtime_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// BenchmarkSlow compares the processor time of requests over a socket with slow.objective and
// without. No request is slow. The sides take turns.
func BenchmarkSlow(b *testing.B) {
	sides := [2]*httptest.Server{}
	for i, objective := range []time.Duration{0, time.Minute} {
		app := benchApp(b, func(c *config.Config) { c.Slow.Objective = objective })
		sides[i] = httptest.NewServer(handler(b, app))
		defer sides[i].Close()
	}
	var ratios []float64
	for b.Loop() {
		off, on := echoes(b, sides[0].URL), echoes(b, sides[1].URL)
		ratios = append(ratios, on.Seconds()/off.Seconds())
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "on/off")
}

// BenchmarkSlowHandler measures the same without the network.
func BenchmarkSlowHandler(b *testing.B) {
	for name, objective := range map[string]time.Duration{"off": 0, "on": time.Minute} {
		app := benchApp(b, func(c *config.Config) { c.Slow.Objective = objective })
		b.Run(name, func(b *testing.B) { benchEchoes(b, runtime.OwnHandler(app)) })
	}
}

// echoes sends requests of 16 bytes and returns the processor time of client and server.
func echoes(b *testing.B, url string) time.Duration {
	before := processorTime(b)
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for range 100 {
				res, err := http.Post(url+"/echo", "application/json", strings.NewReader(`{"text":"hello"}`))
				if err != nil {
					b.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
			}
		})
	}
	clients.Wait()
	return processorTime(b) - before
}

func processorTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
