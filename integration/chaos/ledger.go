package main

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"sync"
)

// outcome is what a client saw of its request.
type outcome struct {
	status  int    // 0: no response, or only a part of one
	part    bool   // the response began and was cut
	id      string // of the request, as the response has it; "": it has none
	crossed string // what the response had instead of its own nonce; "": it had its own
	nonces  int    // how often the body has the nonce
	twice   bool   // more came on the connection than one response
	err     error  // why there is no status, for the report
}

// labels are the labels of a counted request that differ in this app.
type labels struct {
	route  string
	status int
}

// logLine is a line of the access log.
type logLine struct {
	Msg          string `json:"msg"`
	Path         string `json:"path"`
	Route        string `json:"route"`
	Status       int    `json:"status"`
	ID           string `json:"request_id"`
	Cut          bool   `json:"cut"`
	Disconnected bool   `json:"disconnected"`
}

// entry is a request that is not explained yet.
type entry struct {
	kind     *kind
	begun    int  // the incarnation when it was sent
	strained bool // a fault of the process may have cost its response
	done     bool
	got      outcome
	lines    int
	line     logLine // the first one
}

// tally counts the settled requests of a kind.
type tally struct {
	requests int
	statuses map[int]int // as the clients saw; 0: no whole response
	unlogged int         // never reached a handler
}

// mostProblems bounds the report.
const mostProblems = 20

// ledger explains every request. It is safe for concurrent use.
type ledger struct {
	mu        sync.Mutex
	seed      uint64
	last      uint64 // nonce
	open      map[uint64]*entry
	straining bool // a fault of the process lasts
	settled   map[string]*tally
	lives     map[int]*life
	problems  []string
	told      int            // how many of them fresh has returned
	count     map[string]int // of problems, by sort
}

// life is the account of one incarnation of the server.
type life struct {
	logged  map[labels]int // requests in the access log; a socket is none
	sockets int
	marks   int  // lines of requests that are not the ledger's
	killed  bool // lines of the log may be lost
	dropped int  // lines that the log dropped
}

func newLedger(seed uint64) *ledger {
	return &ledger{seed: seed, open: map[uint64]*entry{}, settled: map[string]*tally{}, lives: map[int]*life{}, count: map[string]int{}}
}

func (l *ledger) life(n int) *life {
	if l.lives[n] == nil {
		l.lives[n] = &life{logged: map[labels]int{}}
	}
	return l.lives[n]
}

// begin opens an entry and returns its nonce.
func (l *ledger) begin(k *kind, incarnation int) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	l.open[l.last] = &entry{kind: k, begun: incarnation, strained: l.straining}
	return l.last
}

// ended records what the client saw.
func (l *ledger) ended(nonce uint64, got outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.open[nonce]
	if e == nil || e.done {
		l.problem("duplicate", nonce, nil, "its client ended twice")
		return
	}
	e.done, e.got = true, got
	l.settle(nonce, e)
}

// badBytes are what the log has for bytes that are not UTF-8. The metrics have one for all of them.
var badBytes = regexp.MustCompile("\uFFFD+")

var noncePattern = regexp.MustCompile(`n([0-9]+)z`)

func nonceText(nonce uint64) string { return "n" + strconv.FormatUint(nonce, 10) + "z" }

// logged records a line of the access log of an incarnation.
func (l *ledger) logged(incarnation int, line logLine) {
	l.mu.Lock()
	defer l.mu.Unlock()
	in := l.life(incarnation)
	line.Route = badBytes.ReplaceAllString(line.Route, "\uFFFD")
	if line.Status == http.StatusSwitchingProtocols {
		in.sockets++
	} else {
		in.logged[labels{line.Route, line.Status}]++
	}
	found := noncePattern.FindStringSubmatch(line.Path)
	if found == nil {
		in.marks++
		return
	}
	nonce, _ := strconv.ParseUint(found[1], 10, 64) // 0 is no nonce
	e := l.open[nonce]
	if e == nil {
		l.problem("duplicate", nonce, nil, fmt.Sprintf("the access log has a second line of it: %+v", line))
		return
	}
	e.lines++
	if e.lines > 1 {
		l.problem("duplicate", nonce, e, fmt.Sprintf("the access log has a second line of it: %+v", line))
		return
	}
	e.line = line
	l.settle(nonce, e)
}

// settle closes an entry that has both of its sides.
func (l *ledger) settle(nonce uint64, e *entry) {
	if !e.done || e.lines == 0 {
		return
	}
	l.judge(nonce, e, true)
	l.close(nonce, e)
}

func (l *ledger) close(nonce uint64, e *entry) {
	delete(l.open, nonce)
	t := l.settled[e.kind.name]
	if t == nil {
		t = &tally{statuses: map[int]int{}}
		l.settled[e.kind.name] = t
	}
	t.requests++
	t.statuses[e.got.status]++
	if e.lines == 0 {
		t.unlogged++
	}
}

// judge compares the sides of an entry with each other and with what its kind allows.
func (l *ledger) judge(nonce uint64, e *entry, entered bool) {
	k, got, line := e.kind, e.got, e.line
	switch {
	case got.crossed != "":
		l.problem("crossed", nonce, e, "the client got the response of another request: "+got.crossed)
	case got.twice:
		l.problem("duplicate", nonce, e, "the client got more than one response")
	case got.status != 0 && !slices.Contains(k.seen, got.status) && (!e.strained || !slices.Contains(strained, got.status)):
		l.problem("unexplained", nonce, e, fmt.Sprintf("the client got %d, which %s does not get", got.status, k.name))
	case got.status == 0 && !got.part && !k.mayLose && !e.strained:
		l.problem("unexplained", nonce, e, fmt.Sprintf("the client got no response: %v; the access log has %+v", got.err, line))
	case got.part && !k.mayCut && !e.strained:
		l.problem("unexplained", nonce, e, fmt.Sprintf("the client got a part of a response: %v", got.err))
	case !entered:
		if k.enters == always && !e.strained && !l.spare(e) {
			l.problem("unexplained", nonce, e, "the access log has no line of it")
		}
	case k.enters == never:
		l.problem("unexplained", nonce, e, fmt.Sprintf("it reached a handler, which it must not: %+v", line))
	case got.status != 0 && line.Status != got.status && !line.Cut && (!k.halfway || !line.Disconnected):
		l.problem("unexplained", nonce, e, fmt.Sprintf("the client got %d, the access log has %+v", got.status, line))
	case got.status == 0 && !slices.Contains(k.lost, line.Status) && !line.Cut && !e.strained:
		l.problem("unexplained", nonce, e, fmt.Sprintf("the client got no whole response (%v), and %s must then be counted as one of %v, found %+v", got.err, k.name, k.lost, line))
	case got.id != "" && line.ID != got.id:
		l.problem("crossed", nonce, e, fmt.Sprintf("the response has the id %s, the access log %+v", got.id, line))
	}
}

// strained are the statuses that any request may get while its process suffers: a timer and what
// it limits may end at the same time.
var strained = []int{http.StatusOK, http.StatusRequestTimeout, http.StatusServiceUnavailable, http.StatusGatewayTimeout, http.StatusInternalServerError}

// strain begins or ends a fault of the process. Only requests that are open when it begins, or
// that begin until it ends, may lose their responses or get another status.
func (l *ledger) strain(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.straining = on
	for _, e := range l.open {
		e.strained = e.strained || on && !e.done
	}
}

// sweep settles the entries that have no line in the log, at rest: no request runs, and
// all lines were read.
func (l *ledger) sweep() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for nonce, e := range l.open {
		switch {
		case !e.done:
			l.problem("unexplained", nonce, e, "its client has not ended")
		case e.lines > 1:
		default:
			l.judge(nonce, e, false)
		}
		l.close(nonce, e)
	}
}

// spare explains that an entry has no line: the log has dropped it, or SIGKILL has cost it.
func (l *ledger) spare(e *entry) bool {
	for n := e.begun; n <= e.begun+1; n++ {
		in := l.lives[n]
		switch {
		case in == nil:
		case in.killed:
			return true
		case in.dropped > 0:
			in.dropped--
			return true
		}
	}
	return false
}

// problem records what cannot be explained. The caller holds the mutex.
func (l *ledger) problem(sort string, nonce uint64, e *entry, text string) {
	l.count[sort]++
	if len(l.problems) >= mostProblems {
		return
	}
	name := "?"
	if e != nil {
		name = e.kind.name
	}
	l.problems = append(l.problems, fmt.Sprintf("%s: seed %d, kind %s, nonce %d: %s", sort, l.seed, name, nonce, text))
}

// brokenf records an invariant that does not hold.
func (l *ledger) brokenf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count["invariants"]++
	if len(l.problems) < mostProblems {
		l.problems = append(l.problems, "invariant: "+fmt.Sprintf(format, args...))
	}
}

// fresh returns the problems since its last call.
func (l *ledger) fresh() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	fresh := l.problems[l.told:]
	l.told = len(l.problems)
	return fresh
}

// waiting returns how many entries are open.
func (l *ledger) waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open)
}

// counted returns the requests of an incarnation by their labels, as its log has them.
func (l *ledger) counted(incarnation int) map[labels]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.life(incarnation).logged)
}

// change changes the account of an incarnation.
func (l *ledger) change(incarnation int, change func(*life)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(l.life(incarnation))
}

// verdict returns an error if anything is unexplained.
func (l *ledger) verdict() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.count) == 0 {
		return nil
	}
	return fmt.Errorf("not explained: %v", l.count)
}
