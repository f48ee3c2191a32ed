package main

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
)

// disturbance is a fault of the process or of what is around it, during one round.
type disturbance struct {
	name    string
	environ []string // of a new incarnation for the round; nil: none is started
	during  func(*session, chan struct{}) error
	after   func(*session) error
}

// disturbances are taken in turn, one a round.
func disturbances() []disturbance {
	return []disturbance{
		{name: "none"},
		{name: "moody collector", during: (*session).moodyCollector},
		{name: "SIGTERM", during: (*session).replace},
		{name: "scrape flood", during: (*session).flood},
		{name: "SIGKILL", during: (*session).kill},
		{name: "SIGSTOP", during: (*session).pause},
		{name: "broken configurations", during: (*session).reloads, after: (*session).brokenStarts},
		{name: "EMFILE", environ: []string{childFiles + "=60"}, during: (*session).freeFiles, after: func(s *session) error { return s.renew() }},
		{name: "memory pressure", environ: []string{"GOMEMLIMIT=20MiB"}, after: func(s *session) error { return s.renew() }},
		{name: "clock jumps", during: (*session).jumpClock},
	}
}

// disturbed sends a round of requests with a disturbance.
func (s *session) disturbed(n, round int, d disturbance) error {
	if d.environ != nil {
		if err := s.renew(d.environ...); err != nil {
			return err
		}
	}
	end := make(chan struct{})
	var running sync.WaitGroup
	var failed error
	if d.during != nil {
		running.Go(func() { failed = d.during(s, end) })
	}
	begun := time.Now()
	s.load(n, round, d.name != "none")
	loaded := time.Since(begun)
	close(end)
	running.Wait()
	s.collector.mood.Store(int32(accept))
	s.atRest()
	s.figures.disturbed[d.name]++
	s.line.Stepf("%s: load %.1f s, then %.1f s to rest; problems so far: %v", d.name, loaded.Seconds(), (time.Since(begun) - loaded).Seconds(), s.book.verdict())
	for _, problem := range s.book.fresh() {
		s.line.Stepf("%s", problem)
	}
	if d.after != nil && failed == nil {
		failed = d.after(s)
	}
	if failed != nil {
		return fmt.Errorf("%s: %w", d.name, failed)
	}
	return nil
}

// renew replaces the server, and waits until the old one has ended.
func (s *session) renew(environ ...string) error {
	old, dropped := s.now, s.dropped
	if err := s.start(variants[s.started%len(variants)], environ...); err != nil {
		return err
	}
	if err := old.signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := s.ended(old); err != nil {
		s.book.brokenf("after SIGTERM: %v", err)
	}
	if dropped == 0 {
		s.checkPushed(old.number)
	}
	s.figures.restarts++
	return nil
}

// replace replaces the server under load. No response may be lost.
func (s *session) replace(end chan struct{}) error {
	for {
		if !within(end, 300*time.Millisecond) {
			return nil
		}
		if err := s.renew(); err != nil {
			return err
		}
	}
}

// within waits, and reports whether the round goes on.
func within(end chan struct{}, d time.Duration) bool {
	select {
	case <-end:
		return false
	case <-time.After(d):
		return true
	}
}

// kill kills the server under load. What runs is lost, and a part of the log.
func (s *session) kill(end chan struct{}) error {
	for within(end, 300*time.Millisecond) {
		old := s.now
		s.book.change(old.number, func(l *life) { l.killed = true })
		s.book.strain(true)
		if err := old.signal(syscall.SIGKILL); err != nil {
			return err
		}
		if err := old.wait(time.Minute); err == nil {
			return errors.New("a killed server ended well")
		}
		if err := s.start(variants[s.started%len(variants)]); err != nil {
			return err
		}
		s.book.strain(false)
		s.figures.kills++
	}
	return nil
}

// pause stops the server for some time, so that its clocks jump for it.
func (s *session) pause(end chan struct{}) error {
	for within(end, 200*time.Millisecond) {
		s.book.strain(true)
		if err := s.now.signal(syscall.SIGSTOP); err != nil {
			return err
		}
		time.Sleep(300 * time.Millisecond)
		if err := s.now.signal(syscall.SIGCONT); err != nil {
			return err
		}
		if _, err := s.now.vitals(); err != nil { // it is back when it has responded
			return err
		}
		s.book.strain(false)
		s.figures.stops++
	}
	return nil
}

// moodyCollector changes what the collector does.
func (s *session) moodyCollector(end chan struct{}) error {
	for mood := refuse; within(end, 300*time.Millisecond); mood = (mood + 1) % moods {
		s.collector.mood.Store(int32(mood))
	}
	return nil
}

// flood scrapes from many clients at once.
func (s *session) flood(end chan struct{}) error {
	var floods sync.WaitGroup
	for range 16 {
		floods.Go(func() {
			for i := 0; within(end, time.Millisecond); i++ {
				if _, _, err := s.scraper.fetch(s.clients.address, formats[i%len(formats)]); err != nil {
					s.book.brokenf("a scrape of a flood: %v", err)
				}
				s.scrapes.Add(1)
			}
		})
	}
	floods.Wait()
	return nil
}

// freeFiles closes idle connections, without which no other client would be served.
func (s *session) freeFiles(end chan struct{}) error {
	for within(end, 50*time.Millisecond) {
		s.clients.closeIdle()
	}
	return nil
}

// brokenFiles are configurations that no server may start with.
var brokenFiles = []string{
	"traffic: {timeout: -1}", "nonsense: 1", "http: {port: 99999}", "metrics: {client_closed: 300}", ": : :", "http: [1, 2", "\x00\xff",
}

// reloads changes the file of the running server, to good and to broken content.
func (s *session) reloads(end chan struct{}) error {
	good, err := os.ReadFile(s.now.config)
	if err != nil {
		return err
	}
	for i := 0; within(end, 100*time.Millisecond); i++ {
		broken := brokenFiles[i%len(brokenFiles)]
		if err := os.WriteFile(s.now.config, []byte(broken), 0o600); err != nil {
			return err
		}
		if s.now.reload() == nil {
			s.book.brokenf("a reload took %q", broken)
		}
		if err := os.WriteFile(s.now.config, good, 0o600); err != nil { //nolint:gosec // a file of this program
			return err
		}
		if err := s.now.reload(); err != nil {
			s.book.brokenf("a reload refused a good file: %v", err)
		}
	}
	return nil
}

// brokenStarts starts servers that must refuse their configuration.
func (s *session) brokenStarts() error {
	for _, broken := range brokenFiles {
		path := s.now.config + ".broken"
		if err := os.WriteFile(path, []byte(broken), 0o600); err != nil {
			return err
		}
		p, err := start(-1, s.socket, path, s.book)
		s.unblock()
		if err != nil {
			return err
		}
		if p.wait(restLimit) == nil {
			s.book.brokenf("a server started with %q", broken)
		}
		if p.lastLines() == "" {
			s.book.brokenf("a server did not say why it cannot start with %q", broken)
		}
	}
	return nil
}
