package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// figures are what a session has measured.
type figures struct {
	rests, dropped, series        int
	added                         int    // series by hostile input
	last                          sample // at rest
	heapLow, heapHigh             uint64 // at rest
	goroutines, files             int    // most at rest
	restarts, kills, stops, jumps int
	disturbed                     map[string]int // rounds by their disturbance
	unsupported                   []string
}

// note records the vitals of a server at rest, and returns the smallest heap so far.
func (f *figures) note(v vitals) uint64 {
	if f.heapLow == 0 || v.Heap < f.heapLow {
		f.heapLow = v.Heap
	}
	f.heapHigh = max(f.heapHigh, v.Heap)
	f.last.vitals = v
	f.goroutines = max(f.goroutines, v.Goroutines)
	f.files = max(f.files, v.Files)
	return f.heapLow
}

// report returns the tables of a session.
func (s *session) report() string {
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	var b strings.Builder
	total := 0
	b.WriteString("| kind | requests | never reached a handler | outcomes |\n|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(s.book.settled)) {
		t := s.book.settled[name]
		total += t.requests
		fmt.Fprintf(&b, "| %s | %d | %d | %s |\n", name, t.requests, t.unlogged, outcomes(t.statuses))
	}
	took := time.Since(s.begun)
	f := s.figures
	fmt.Fprintf(&b, "\nseed %d: %d requests of %d kinds in %s (%.0f a second), %d scrapes under load, %d times at rest\n",
		s.Seed, total, len(s.book.settled), took.Round(time.Second), float64(total)/took.Seconds(), s.scrapes.Load(), f.rests)
	fmt.Fprintf(&b, "%d incarnations: %d restarts with SIGTERM, %d with SIGKILL; %d times stopped, %d jumps of the clock\n", s.started, f.restarts, f.kills, f.stops, f.jumps)
	fmt.Fprintf(&b, "rounds by disturbance: %v; not supported here: %v\n", f.disturbed, f.unsupported)
	fmt.Fprintf(&b, "at rest: most series %d of %d, goroutines %d, descriptors %d, heap %.1f to %.1f MB; %d lines of the log dropped\n",
		f.series, mostSeries, f.goroutines, f.files, float64(f.heapLow)/1e6, float64(f.heapHigh)/1e6, f.dropped)
	if s.Hostile {
		fmt.Fprintf(&b, "hostile input has added %d series, %d of them with the first %d requests\n", f.added, s.hostile.series(), soonHostile)
	}
	b.WriteString(soaked(s.samples) + "\n")
	for _, sort := range []string{"unexplained", "duplicate", "crossed", "invariants"} {
		fmt.Fprintf(&b, "%s: %d\n", sort, s.book.count[sort])
	}
	for _, problem := range s.book.problems {
		b.WriteString(problem + "\n")
	}
	return b.String()
}

// outcomes returns "200: 5, 500: 1".
func outcomes(statuses map[int]int) string {
	var parts []string
	for _, status := range slices.Sorted(maps.Keys(statuses)) {
		name := fmt.Sprint(status)
		if status == 0 {
			name = "none"
		}
		parts = append(parts, fmt.Sprintf("%s: %d", name, statuses[status]))
	}
	return strings.Join(parts, ", ")
}
