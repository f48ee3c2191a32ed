package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ekiben-serving/ekiben/internal/progress"
)

// session is one run of this program.
type session struct {
	flags

	dir       string
	listener  *net.TCPListener
	socket    *os.File // of the listener, for the children
	clients   *clients
	scraper   scraper
	collector *collector
	book      *ledger
	kinds     []kind
	turns     []disturbance
	line      *progress.Line
	now       *process
	current   atomic.Int64 // the number of now, for the workers
	before    labelSets    // of the first server before any request
	started   int          // incarnations so far
	dropped   int          // lines that the log of this incarnation has dropped so far
	figures   figures
	samples   []sample  // of a soak
	hostile   labelSets // that hostile input added soon
	begun     time.Time
	scrapes   atomic.Int64
}

func newSession(f flags) (s *session, err error) {
	s = &session{flags: f, book: newLedger(f.Seed), scraper: newScraper(), begun: time.Now(), turns: disturbances(), line: progress.New(os.Stderr, 0)}
	s.figures.disturbed = map[string]int{}
	if f.Calm || f.Hostile {
		s.turns = s.turns[:1]
	}
	for _, k := range allKinds() {
		if (len(f.Only) == 0 || slices.Contains(f.Only, k.name)) && (!f.Hostile || k.adds > 0) {
			s.kinds = append(s.kinds, k)
		}
	}
	if len(s.kinds) < len(f.Only) || len(s.kinds) == 0 {
		return nil, fmt.Errorf("--only: must be names of kinds, each once, and of hostile ones with --hostile, found %q", f.Only)
	}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.dir, err = os.MkdirTemp("", "chaos"); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.listener = listener.(*net.TCPListener)
	if s.socket, err = s.listener.File(); err != nil {
		return nil, err
	}
	s.clients = newClients(listener.Addr().String())
	s.collector, err = newCollector()
	return s, err
}

// close ends what is left.
func (s *session) close() {
	if s.now != nil {
		_ = s.now.signal(syscall.SIGKILL)
		_ = s.now.wait(time.Minute)
	}
	if s.collector != nil {
		s.collector.close()
	}
	if s.socket != nil {
		_ = s.socket.Close()
	}
	if s.listener != nil {
		_ = s.listener.Close()
	}
	_ = os.RemoveAll(s.dir)
}

// start starts the next incarnation, and waits until it serves.
func (s *session) start(v variant, environ ...string) error {
	path := filepath.Join(s.dir, fmt.Sprintf("config%d.yaml", s.started+1))
	if err := os.WriteFile(path, []byte(v.yaml(s.collector.url+pushPath(s.started+1))), 0o600); err != nil {
		return err
	}
	defer s.unblock()
	p, err := start(s.started+1, s.socket, path, s.book, environ...)
	if err != nil {
		return err
	}
	s.started++
	s.now, s.dropped = p, 0
	s.current.Store(int64(p.number))
	select {
	case <-p.serving:
	case <-p.read:
		return fmt.Errorf("server %d has ended at its start:\n%s", p.number, p.lastLines())
	case <-time.After(startLimit):
		return fmt.Errorf("server %d does not serve:\n%s", p.number, p.lastLines())
	}
	p.base, err = p.vitals()
	return err
}

// startLimit is how long a server may take to start beside others under load.
const startLimit = 30 * time.Second

// unblock makes the socket non-blocking again for all who share it: starting a process with a
// file may make it blocking, and a server that waits in accept cannot be closed.
func (s *session) unblock() {
	raw, err := s.listener.SyscallConn()
	if err == nil {
		_ = raw.Control(func(fd uintptr) { _ = syscall.SetNonblock(int(fd), true) })
	}
}

// ended waits until a server has ended after SIGTERM. Connections wake it if it waits in accept.
func (s *session) ended(p *process) error {
	end := make(chan struct{})
	defer close(end)
	go func() { // ends with this function
		for within(end, 100*time.Millisecond) {
			if conn, err := net.DialTimeout("tcp", s.clients.address, time.Second); err == nil {
				_ = conn.Close()
			}
		}
	}()
	return p.wait(endLimit)
}

// first starts the first server, and keeps how many series it has.
func (s *session) first() error {
	if err := s.start(variants[0]); err != nil {
		return err
	}
	first, err := s.scraper.page(s.clients.address)
	s.before = first.labelSets()
	return err
}

// rounds sends all requests in rounds, each with quiet after it.
func (s *session) rounds(ctx context.Context) error {
	if err := s.first(); err != nil {
		return err
	}
	for sent, round := 0, 0; sent < s.Requests && ctx.Err() == nil; round++ {
		n := min(s.Round, s.Requests-sent)
		if s.Hostile && round == 0 {
			n = min(n, soonHostile)
		}
		d := s.turns[round%len(s.turns)]
		if d.name == "EMFILE" {
			n = min(n, 2000) // each of them waits for others
		}
		if err := s.disturbed(n, round, d); err != nil {
			return err
		}
		sent += n
		if s.Minutes > 0 && time.Since(s.begun) > s.Minutes {
			break
		}
	}
	return s.stop()
}

// stop ends the server as an orchestrator does. The last push must have all requests.
func (s *session) stop() error {
	if err := s.now.signal(syscall.SIGTERM); err != nil {
		return err
	}
	err := s.ended(s.now)
	if err != nil {
		s.book.brokenf("%v", err)
	}
	s.checkPushed(s.now.number)
	s.book.sweep()
	s.now = nil
	return nil
}

// load sends n requests from all workers, while a scraper reads the page in all formats.
func (s *session) load(n, round int, rough bool) {
	var left atomic.Int64
	left.Store(int64(n))
	var workers, scraping sync.WaitGroup
	end := make(chan struct{})
	var turn <-chan time.Time // nil: at once
	if s.Rate > 0 {
		ticker := time.NewTicker(time.Second / time.Duration(s.Rate))
		defer ticker.Stop()
		turn = ticker.C
	}
	scraping.Go(func() { s.scrape(end, round, rough) })
	for w := range s.Workers {
		workers.Go(func() {
			random := rand.New(rand.NewPCG(s.Seed, uint64(round)<<32|uint64(w)))
			for left.Add(-1) >= 0 {
				if turn != nil {
					<-turn
				}
				s.one(random)
			}
		})
	}
	workers.Wait()
	close(end)
	scraping.Wait()
}

// one sends one request of a random kind.
func (s *session) one(random *rand.Rand) {
	a := s.actor(draw(s.kinds, random), random)
	a.end(a.kind.act(a))
}

// actor opens a request.
func (s *session) actor(k *kind, random *rand.Rand) *actor {
	nonce := s.book.begin(k, s.incarnation())
	return &actor{
		clients: s.clients, kind: k, rand: random, nonce: nonceText(nonce),
		more: func() *actor { return s.actor(k, random) },
		end:  func(got outcome) { s.book.ended(nonce, got) },
	}
}

func (s *session) incarnation() int { return int(s.current.Load()) }

// draw chooses a kind by its weight.
func draw(kinds []kind, random *rand.Rand) *kind {
	total := 0
	for i := range kinds {
		total += kinds[i].weight
	}
	at := random.IntN(total)
	for i := range kinds {
		if at -= kinds[i].weight; at < 0 {
			return &kinds[i]
		}
	}
	return &kinds[0] // not reached
}

// scrape reads the page in all formats until end is closed. In a rough round, some of them may not
// come.
func (s *session) scrape(end chan struct{}, round int, rough bool) {
	random := rand.New(rand.NewPCG(s.Seed, uint64(round)))
	for {
		select {
		case <-end:
			return
		case <-time.After(50 * time.Millisecond):
		}
		if err := s.scraper.check(s.clients.address, random); err != nil && (!rough || errors.Is(err, errBadPage)) {
			s.book.brokenf("a scrape under load: %v", err)
		}
		s.scrapes.Add(1)
	}
}
