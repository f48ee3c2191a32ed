package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"golang.org/x/net/http2"

	"github.com/ekiben-serving/ekiben/internal/check"
)

// The table names each kind once, and each kind can be drawn.
func TestKinds(t *testing.T) {
	names := map[string]bool{}
	for _, k := range allKinds() {
		if names[k.name] || k.weight < 1 || k.act == nil {
			t.Errorf("kind %+v: want a name of its own, a weight and an act", k.name)
		}
		names[k.name] = true
	}
}

// books are mistakes that the ledger must notice, and what it calls them.
var books = map[string]struct {
	want string
	keep func(*ledger, uint64)
}{
	"none": {"", func(l *ledger, n uint64) {
		l.ended(n, outcome{status: 200, id: "a"})
		l.logged(1, line(n, 200, "a"))
	}},
	"lost response": {"unexplained", func(l *ledger, n uint64) {
		l.ended(n, outcome{err: io.EOF})
		l.logged(1, line(n, 200, "a"))
	}},
	"cut response": {"unexplained", func(l *ledger, n uint64) {
		l.ended(n, outcome{part: true, err: io.ErrUnexpectedEOF})
		l.logged(1, line(n, 200, "a"))
	}},
	"two responses": {"duplicate", func(l *ledger, n uint64) {
		l.ended(n, outcome{status: 200, twice: true})
		l.logged(1, line(n, 200, "a"))
	}},
	"response of another": {"crossed", func(l *ledger, n uint64) {
		l.ended(n, outcome{status: 200, crossed: "n7z"})
		l.logged(1, line(n, 200, "a"))
	}},
	"id of another": {"crossed", func(l *ledger, n uint64) {
		l.ended(n, outcome{status: 200, id: "b"})
		l.logged(1, line(n, 200, "a"))
	}},
	"another status": {"unexplained", func(l *ledger, n uint64) {
		l.ended(n, outcome{status: 200})
		l.logged(1, line(n, 499, "a"))
	}},
	"illegal status": {"unexplained", func(l *ledger, n uint64) {
		l.ended(n, outcome{status: 500})
		l.logged(1, line(n, 500, "a"))
	}},
	"no line in the log": {"unexplained", func(l *ledger, n uint64) { l.ended(n, outcome{status: 200}) }},
	"two lines in the log": {"duplicate", func(l *ledger, n uint64) {
		l.ended(n, outcome{status: 200})
		l.logged(1, line(n, 200, "a"))
		l.logged(1, line(n, 200, "a"))
	}},
	"client that never ends": {"unexplained", func(l *ledger, n uint64) { l.logged(1, line(n, 200, "a")) }},
}

func line(nonce uint64, status int, id string) logLine {
	return logLine{Path: "/plain/" + nonceText(nonce), Route: "/plain/{nonce}", Status: status, ID: id}
}

// The ledger notices each mistake, and nothing else.
func TestLedgerNotices(t *testing.T) {
	for name, book := range books {
		t.Run(name, func(t *testing.T) {
			l := newLedger(1)
			book.keep(l, l.begin(&kind{name: "echo", seen: fine, lost: fine}, 1))
			l.sweep()
			want := map[string]int{}
			if book.want != "" {
				want[book.want] = 1
			}
			check.Equal(t, l.count, want)
			check.Equal(t, l.verdict() == nil, book.want == "")
			check.Equal(t, l.waiting(), 0)
		})
	}
}

// Only what was open at a fault of the process, or began before the server was back, may be lost.
func TestStrain(t *testing.T) {
	l := newLedger(1)
	echo := &kind{name: "echo", seen: fine, lost: fine}
	var all []uint64
	begin := func() { all = append(all, l.begin(echo, 1)) }
	begin()
	l.ended(all[0], outcome{err: io.EOF}) // before the fault
	begin()                               // open at the fault
	l.strain(true)
	begin()
	l.strain(false)
	begin() // when the server is back
	for _, nonce := range all[1:] {
		l.ended(nonce, outcome{err: io.EOF})
	}
	l.change(1, func(in *life) { in.killed = true }) // so that the log may lack lines
	l.sweep()
	slices.Sort(l.problems)
	check.Equal(t, l.problems, []string{
		"unexplained: seed 1, kind echo, nonce 1: the client got no response: EOF; the access log has {Msg: Path: Route: Status:0 ID: Cut:false Disconnected:false}",
		"unexplained: seed 1, kind echo, nonce 4: the client got no response: EOF; the access log has {Msg: Path: Route: Status:0 ID: Cut:false Disconnected:false}",
	})
}

// A count that differs is named with its labels; a series at 0 is none.
func TestCompare(t *testing.T) {
	logged := map[labels]int{{"/plain/{nonce}", http.StatusOK}: 2, {"unmatched", http.StatusNotFound}: 1}
	counted := map[labels]int{{"/plain/{nonce}", http.StatusOK}: 3, {"unmatched", http.StatusNotFound}: 1}
	check.Equal(t, compare(logged, logged), "")
	check.Equal(t, compare(logged, counted), `"/plain/{nonce}" 200: 2 and 3`)
}

// A page that Prometheus cannot read is noticed in each format.
func TestBadPages(t *testing.T) {
	for contentType, body := range map[string]string{
		"text/plain; version=0.0.4":                    "a{b=\"c\"} 1\na{b=\"c\"} 2\n",
		"text/plain; version=1.0.0":                    "a{b=\"c} 1\n",
		"application/openmetrics-text; version=1.0.0":  "a 1\n",
		"application/vnd.google.protobuf; proto=x":     "\x05abc",
		"application/openmetrics-text; version=1.0.0;": "# TYPE a counter\na 1\n# EOF\nb 1\n",
	} {
		if err := parse([]byte(body), contentType); err == nil {
			t.Errorf("%s: want an error for %q", contentType, body)
		}
	}
}

// Hostile input may add few series, all of them soon. Pushes are none of its.
func TestCheckHostile(t *testing.T) {
	s := &session{book: newLedger(1), kinds: []kind{{adds: 1}}, before: pageOf(t, "/a", "/b").labelSets()}
	see := func(want int, endpoints ...string) {
		t.Helper()
		s.checkHostile(pageOf(t, endpoints...))
		if got := s.book.count["invariants"]; got != want {
			t.Errorf("%v: %d problems, want %d: %v", endpoints, got, want, s.book.problems)
		}
	}
	see(0, "/a", "unmatched")
	see(0, "/a", "/b", "unmatched")
	see(1, "/a", "unmatched", "/later")
	s.hostile = nil
	see(1, "/a", "1", "2", "3", "4")      // of 5 series each
	see(3, "/a", "1", "2", "3", "4", "5") // too many, and later
}

// pageOf returns a page with a histogram and a counter for each endpoint.
func pageOf(t *testing.T, endpoints ...string) page {
	t.Helper()
	families := map[string]*dto.MetricFamily{"ekiben_otlp_exported_total": {Metric: make([]*dto.Metric, len(endpoints))}}
	for _, name := range []string{"durations", "requests"} {
		families[name] = &dto.MetricFamily{}
		for _, endpoint := range endpoints {
			m := &dto.Metric{Label: []*dto.LabelPair{{Name: new("endpoint"), Value: &endpoint}}}
			if name == "durations" {
				m.Histogram = &dto.Histogram{Bucket: make([]*dto.Bucket, 2)}
			}
			families[name].Metric = append(families[name].Metric, m)
		}
	}
	return page{families: families}
}

// A soak notices what grows, and not a single sample.
func TestGrowth(t *testing.T) {
	flat := func(int) sample { return sample{vitals: vitals{Heap: 5 << 20, Goroutines: 10, Files: 10}} }
	with := func(change func(*vitals, int)) func(int) sample {
		return func(i int) sample {
			v := flat(i)
			change(&v.vitals, i)
			return v
		}
	}
	for name, soak := range map[string]struct {
		at   func(int) sample
		want string
	}{
		"flat":        {flat, ""},
		"one peak":    {with(func(v *vitals, i int) { v.Heap += uint64(i / 29 << 30); v.Files += i / 29 * 50 }), ""},
		"heap":        {with(func(v *vitals, i int) { v.Heap += uint64(i * 100_000) }), "heap: 5742880 in the first third, 7742880 in the last"},
		"goroutines":  {with(func(v *vitals, i int) { v.Goroutines += i / 5 }), "goroutines: 11 in the first third, 15 in the last"},
		"descriptors": {with(func(v *vitals, i int) { v.Files += i / 5 }), "descriptors: 11 in the first third, 15 in the last"},
	} {
		var samples []sample
		for i := range 30 {
			samples = append(samples, soak.at(i))
		}
		if got := growth(samples); got != soak.want {
			t.Errorf("%s: %q, want %q", name, got, soak.want)
		}
	}
	check.Equal(t, growth(make([]sample, 2)), "nobody knows after 2 samples, it needs 3")
}

// A request is sent once, also one that the transport may repeat, or that is redirected.
func TestSentOnce(t *testing.T) {
	var got atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/elsewhere" {
			http.Redirect(w, r, "/", http.StatusTemporaryRedirect)
			return
		}
		if r.ContentLength != 0 || r.TransferEncoding != nil {
			t.Errorf("it has a body: %d %v", r.ContentLength, r.TransferEncoding)
		}
		if got.Add(1) > 1 { // on a connection that was used
			panic(http.ErrAbortHandler)
		}
	}))
	defer server.Close()
	c := newClients(server.Listener.Addr().String())
	a := &actor{clients: c, kind: &kind{name: "k"}}
	for range 2 {
		a.send(t.Context(), c.h1, http.MethodGet, "/", "", nil)
	}
	if got.Load() != 2 {
		t.Errorf("%d requests", got.Load())
	}
	if found := a.send(t.Context(), c.h1, http.MethodGet, "/elsewhere", "", nil); found.status != http.StatusTemporaryRedirect || got.Load() != 2 {
		t.Errorf("the redirect: %v", found)
	}
}

// A request of HTTP/2 that the server has not begun goes to the next connection, as that server
// asks.
func TestSentAgain(t *testing.T) {
	listener := check.Value(net.Listen("tcp", "127.0.0.1:0"))(t)
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	next := http.Server{Handler: http.NotFoundHandler(), Protocols: &protocols}
	defer next.Close()
	go func() {
		if err := refuseStream(listener); err != nil {
			t.Error(err)
		}
		_ = next.Serve(listener)
	}()
	c := newClients(listener.Addr().String())
	a := &actor{clients: c, kind: &kind{name: "k"}}
	if got := a.send(t.Context(), c.h2, http.MethodPatch, "/", "text/plain", nil); got.status != http.StatusNotFound {
		t.Errorf("%+v", got)
	}
}

// refuseStream accepts a connection of HTTP/2, and goes away before its first request.
func refuseStream(listener net.Listener) error {
	conn, err := listener.Accept()
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
		return err
	}
	frames := http2.NewFramer(conn, conn)
	if err := frames.WriteSettings(); err != nil {
		return err
	}
	for {
		frame, err := frames.ReadFrame()
		if err != nil {
			return err
		}
		if _, ok := frame.(*http2.HeadersFrame); ok {
			return frames.WriteGoAway(0, http2.ErrCodeNo, nil)
		}
	}
}
