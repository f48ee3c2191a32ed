package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// restLimit is how long a server may take until nothing runs and all is logged.
const restLimit = 8 * time.Second

// endLimit is how long a server may take to end after SIGTERM: shutdown.grace and some time.
const endLimit = 25 * time.Second

// atRest waits until no request runs, and checks all invariants of the incarnation.
func (s *session) atRest() {
	s.clients.closeIdle()
	var p page
	var err error
	var differs string
	for end := time.Now().Add(restLimit); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if p, err = s.scraper.page(s.clients.address); err != nil {
			continue
		}
		if differs = s.unsettled(p); differs == "" {
			break
		}
	}
	if err != nil {
		s.book.brokenf("the page at rest: %v", err)
		return
	}
	dropped := int(p.sum("ekiben_log_dropped_total", "", ""))
	if differs != "" && dropped == 0 {
		s.book.brokenf("server %d at rest: %s", s.now.number, differs)
	}
	s.figures.dropped += dropped - s.dropped
	s.book.change(s.now.number, func(l *life) { l.dropped += dropped - s.dropped })
	s.dropped = dropped
	s.book.sweep()
	s.checkBatches(p)
	s.checkPushed(s.now.number)
	s.checkVitals()
	s.figures.last.series = p.series
	if s.Hostile {
		s.checkHostile(p)
	}
	if s.figures.series = max(s.figures.series, p.series); p.series > mostSeries {
		s.book.brokenf("the page has %d series, the bound is %d", p.series, mostSeries)
	}
	s.figures.rests++
}

// mostSeries bounds the series of the page, whatever the clients sent. 16 routes have up to 16
// statuses of 20 series, and 21 names of a mount one. With the names of HTTP, hostile input adds
// 11 methods of 2 versions of HTTP with 17 series to each route.
const mostSeries = 10_000

// unsettled returns what is not at rest yet, or "".
func (s *session) unsettled(p page) string {
	for _, gauge := range []string{namespace + "request_in_progress", "ekiben_http_overdue", "ekiben_stream_open", "ekiben_batch_queue_items", "ekiben_traffic_concurrency", namespace + "websocket_connections"} {
		if n := p.sum(gauge, "", ""); n != 0 {
			return fmt.Sprintf("%s is %v", gauge, n)
		}
	}
	logged := asPage(s.book.counted(s.now.number))
	for _, family := range []string{"request_total", "request_duration_seconds"} {
		if differs := compare(logged, p.requests(namespace+family)); differs != "" {
			return "the access log and " + family + ": " + differs
		}
	}
	return ""
}

// lineBreaks are a line feed on the page.
var lineBreaks = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// asPage returns an account with the labels of the page.
func asPage(account map[labels]int) map[labels]int {
	shown := map[labels]int{}
	for set, n := range account {
		shown[labels{lineBreaks.Replace(set.route), set.status}] += n
	}
	return shown
}

// compare returns the labels at which two accounts differ, or "".
func compare(want, got map[labels]int) string {
	var differs []string
	all := maps.Clone(want)
	maps.Copy(all, got)
	for set := range all {
		if want[set] != got[set] {
			differs = append(differs, fmt.Sprintf("%q %d: %d and %d", set.route, set.status, want[set], got[set]))
		}
	}
	slices.Sort(differs)
	return strings.Join(differs, ", ")
}

// checkBatches compares the items that the functions got with those that were dispatched.
func (s *session) checkBatches(p page) {
	v, err := s.now.vitals()
	if err != nil {
		s.book.brokenf("vitals: %v", err)
		return
	}
	if counted := p.sum("ekiben_batch_items", "", ""); int64(counted) != v.Items {
		s.book.brokenf("batch functions got %d items, ekiben_batch_items has %v", v.Items, counted)
	}
}

// checkPushed compares the last push with the page.
func (s *session) checkPushed(incarnation int) {
	if mood(s.collector.mood.Load()) != accept {
		return
	}
	logged := s.book.counted(incarnation)
	var differs string
	for end := time.Now().Add(restLimit); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if differs = compare(logged, s.collector.last(incarnation)); differs == "" {
			return
		}
	}
	if s.dropped == 0 {
		s.book.brokenf("the access log of server %d and OTLP's last push: %s", incarnation, differs)
	}
}

// Goroutines and descriptors that may come and go at rest: a push, a scrape, a timer.
const slack = 10

// mostGrowth is how many bytes the heap at rest may differ: buffers that the app keeps, and series.
const mostGrowth = 32 << 20

// checkVitals compares goroutines and descriptors with the baseline.
func (s *session) checkVitals() {
	var v vitals
	var err error
	for end := time.Now().Add(restLimit); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if v, err = s.now.vitals(); err == nil && v.Goroutines <= s.now.base.Goroutines+slack && v.Files <= s.now.base.Files+slack {
			if low := s.figures.note(v); v.Heap > low+mostGrowth {
				s.book.brokenf("server %d has a heap of %d bytes at rest, it had %d before", s.now.number, v.Heap, low)
			}
			return
		}
	}
	s.book.brokenf("server %d has %+v at rest, its baseline is %+v (%v)", s.now.number, v, s.now.base, err)
}
