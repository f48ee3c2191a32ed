package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// soakRate is how many requests a second a soak sends without --rate.
const soakRate = 100

// sample is what one server has at rest, after a garbage collection.
type sample struct {
	at       time.Duration // since the start of the session
	requests int           // so far
	series   int
	vitals
}

// soak keeps one server under a moderate load of all kinds. It stops the load once a minute, or
// nine times in a shorter soak, waits until nothing runs, and takes a sample.
func (s *session) soak(ctx context.Context) error {
	if err := s.first(); err != nil {
		return err
	}
	s.Rate = cmp.Or(s.Rate, soakRate)
	n := max(1, int(min(time.Minute, s.Soak/9).Seconds()*float64(s.Rate)))
	for round := 0; (round < fewest || time.Since(s.begun) < s.Soak) && ctx.Err() == nil; round++ {
		s.load(n, round, false)
		s.atRest()
		s.samples = append(s.samples, sample{time.Since(s.begun), (round + 1) * n, s.figures.last.series, s.figures.last.vitals})
		s.line.Stepf("%s: %+v; problems so far: %v", s.samples[round].at.Round(time.Second), s.figures.last, s.book.verdict())
	}
	if grown := growth(s.samples); grown != "" {
		s.book.brokenf("the server grows: %s", grown)
	}
	return s.stop()
}

// fewest is how many samples growth needs.
const fewest = 3

// growth returns what has grown, or "". It compares the medians of the first and the last third
// of the samples, so that a single one decides nothing. The heap may be a tenth and 1 MB larger;
// goroutines and descriptors may be two more, such as those of a push at that moment, or as many as
// at any rest if a third is one sample.
func growth(samples []sample) string {
	third := len(samples) / 3
	if third == 0 {
		return fmt.Sprintf("nobody knows after %d samples, it needs 3", len(samples))
	}
	var grown []string
	compare := func(name string, of func(sample) int, allowed func(int) int) {
		first, last := median(samples[:third], of), median(samples[len(samples)-third:], of)
		if last > first+allowed(first) {
			grown = append(grown, fmt.Sprintf("%s: %d in the first third, %d in the last", name, first, last))
		}
	}
	few := func(int) int { return 2 }
	if third == 1 {
		few = func(int) int { return slack }
	}
	compare("heap", func(v sample) int { return int(v.Heap) }, func(first int) int { return first/10 + 1<<20 })
	compare("goroutines", func(v sample) int { return v.Goroutines }, few)
	compare("descriptors", func(v sample) int { return v.Files }, few)
	return strings.Join(grown, "; ")
}

func median(samples []sample, of func(sample) int) int {
	var values []int
	for _, one := range samples {
		values = append(values, of(one))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// soaked returns the samples as a table, or "".
func soaked(samples []sample) string {
	if len(samples) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("\n| after | requests | heap | goroutines | descriptors | series |\n|---|---|---|---|---|---|\n")
	for _, one := range samples {
		fmt.Fprintf(&b, "| %s | %d | %.2f MB | %d | %d | %d |\n", one.at.Round(time.Second), one.requests, float64(one.Heap)/1e6, one.Goroutines, one.Files, one.series)
	}
	return b.String()
}
