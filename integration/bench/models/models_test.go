package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPercentile(t *testing.T) {
	var hundred []time.Duration
	for i := range 100 {
		hundred = append(hundred, time.Duration(i+1))
	}
	for _, c := range []struct {
		sorted []time.Duration
		p      int
		want   time.Duration
	}{{hundred, 50, 50}, {hundred, 99, 99}, {hundred[:1], 99, 1}, {hundred[:3], 50, 2}, {hundred[:10], 99, 10}, {nil, 50, 0}} {
		if got := percentile(c.sorted, c.p); got != c.want {
			t.Errorf("%d values, %d %%: %d, want %d", len(c.sorted), c.p, got, c.want)
		}
	}
}

func TestSpread(t *testing.T) {
	same := func(v float64) float64 { return v }
	for want, values := range map[string][]float64{"2 s (1–4)": {4, 2, 1}, "3 s": {3}, "2 s (1–4) ": {4, 1, 2, 2}, "none": nil} {
		if got := spread(values, "%.0f", " s", same); got != strings.TrimSpace(want) {
			t.Errorf("%v: %q, want %q", values, got, want)
		}
	}
	if got := median([]float64{4, 1, 3, 2}); got != 2.5 {
		t.Errorf("median %g, want 2.5", got)
	}
}

func TestTexts(t *testing.T) {
	texts := makeTexts(1)
	if !slices.Equal(texts, makeTexts(1)) || slices.Equal(texts, makeTexts(2)) {
		t.Error("the same seed must give the same texts, and another seed others")
	}
	found := make([]int, len(kinds))
	for _, text := range texts {
		words := len(strings.Fields(text))
		kind := slices.IndexFunc(kinds, func(k struct{ share, short, long int }) bool { return words >= k.short && words <= k.long })
		if kind < 0 {
			t.Fatalf("%q has %d words", text, words)
		}
		found[kind]++
	}
	for i, k := range kinds[2:] { // the lengths of the other two meet
		if share := 100 * float64(found[i+2]) / count; math.Abs(share-float64(k.share)) > 2 {
			t.Errorf("%g %% of the texts have %d to %d words, want about %d %%", share, k.short, k.long, k.share)
		}
	}
}

func TestRequests(t *testing.T) {
	requests := httpRequests([]string{"a", "b\n", "c", "d", "e"}, 2)
	if len(requests) != 2 {
		t.Fatalf("%d requests, want 2", len(requests))
	}
	read, err := http.ReadRequest(bufio.NewReader(strings.NewReader(string(requests[0]))))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(read.Body)
	if want := `{"texts":["a","b\n"]}`; err != nil || read.URL.Path != "/encode" || string(body) != want {
		t.Errorf("%s %s, %v, want %s", read.URL.Path, body, err, want)
	}
}

func TestCosine(t *testing.T) {
	if got := cosine([]float64{1, 2}, []float64{2, 4}); math.Abs(got-1) > 1e-12 {
		t.Errorf("the same direction: %g", got)
	}
	if got := cosine([]float64{1, 0}, []float64{0, 3}); got != 0 {
		t.Errorf("a right angle: %g", got)
	}
	for _, wrong := range [][]float64{{1}, {0, 0}} { // no vector passes that has another length or no direction
		if got := cosine([]float64{1, 2}, wrong); !math.IsNaN(got) {
			t.Errorf("%v: %g", wrong, got)
		}
	}
}

// vector is a response with one vector.
var vector = "[[" + strings.Repeat("0,", dimensions-1) + "1]]"

// Every request of a load is counted: as a text, or as failed.
func TestLoad(t *testing.T) {
	calls := make(chan string, 10000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		calls <- string(body)
		_, _ = io.WriteString(w, vector)
	}))
	defer server.Close()
	address := strings.TrimPrefix(server.URL, "http://")
	l := newLoad(1)
	began := time.Now()
	r := l.run(t.Context(), address, cell{3, 1}, 30*time.Millisecond)
	texts := r.perSecond * time.Since(began).Seconds()
	if r.failed != 0 || r.p50 <= 0 || r.p99 < r.p50 || texts < float64(len(calls)) {
		t.Errorf("%+v, and the server had %d requests", r, len(calls))
	}
	first := <-calls
	if !slices.ContainsFunc(l.texts[:3], func(text string) bool { return strings.Contains(first, text) }) {
		t.Errorf("the first request is %s", first)
	}
	if r := l.run(t.Context(), address, cell{2, 8}, 15*time.Millisecond); r.failed == 0 || !strings.Contains(r.failure.Error(), "must have 8 vectors") {
		t.Errorf("one vector for 8 texts: %+v", r)
	}
}

func TestLoadOfAServerThatFails(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "full", http.StatusServiceUnavailable)
	}))
	defer server.Close()
	r := newLoad(1).run(t.Context(), strings.TrimPrefix(server.URL, "http://"), cell{1, 1}, 15*time.Millisecond)
	if r.perSecond != 0 || r.failed == 0 || !strings.Contains(r.failure.Error(), "status 503: full") {
		t.Errorf("%+v", r)
	}
}

// A request ends with its context, even if the server never responds.
func TestPostEnds(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	c := &client{address: strings.TrimPrefix(server.URL, "http://")}
	defer c.close()
	if err := c.post(ctx, httpRequest([]string{"a"}), 1); err == nil {
		t.Error("no error")
	}
}

// stop ends the children of a process too, even those that ignore signals in a group of their own.
func TestStop(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("children are found in /proc")
	}
	one, err := launch(exec.Command("bash", "-c", `set -m; (trap "" TERM; sleep 60; true) & wait`), "test/", t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); len(processes(one.mark)) < 3 && time.Now().Before(end); time.Sleep(time.Millisecond) {
	}
	used, err := memoryOf(one.mark)
	if err != nil || used.processes != 3 || used.shared <= 0 || used.resident < used.shared {
		t.Errorf("%+v, %v, want 3 processes", used, err)
	}
	one.stop()
	if left := processes(one.mark); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if _, err := memoryOf(one.mark); err == nil {
		t.Error("the memory of no process must be an error")
	}
}

// measured returns a bench with results.
func measured() *bench {
	cells := func(perSecond float64, failed int) map[cell][]result {
		all := map[cell][]result{}
		for _, c := range []cell{{1, 1}, {64, 1}} {
			all[c] = []result{{perSecond, 20 * time.Millisecond, 30 * time.Millisecond, 0, nil}, {perSecond + 10, 22 * time.Millisecond, 40 * time.Millisecond, failed, errors.New("status 503")}}
		}
		return all
	}
	made := func(name string, perSecond float64, failed int) *side {
		return &side{
			name: name, starts: []time.Duration{time.Second, 2 * time.Second}, memory: []memory{{2, 3e6, 2e6}, {2, 4e6, 2e6}},
			cells: cells(perSecond, failed),
		}
	}
	return &bench{
		flags: flags{Clients: []int{1, 64}, Texts: []int{1}},
		sides: []*side{made("Ekiben", 300, 0), made("Other", 100, 3)}, ceiling: &loop{results: []float64{300, 320}},
		python: []*loop{{name: "padded", results: []float64{155}}, {name: "grouped", results: []float64{300}}},
		ratios: map[cell][]float64{{64, 1}: {0.97, 0.99}},
	}
}

const tables = `
## One text a request

| clients | server | texts/s | p50 | p99 | failed |
|---|---|---|---|---|---|
| 1 | Ekiben | 305 (300–310) | 21.0 ms (20.0–22.0) | 35.0 ms (30.0–40.0) | 0 |
| 1 | Other | 105 (100–110) | 21.0 ms (20.0–22.0) | 35.0 ms (30.0–40.0) | 3 |
| 64 | Ekiben | 305 (300–310) | 21.0 ms (20.0–22.0) | 35.0 ms (30.0–40.0) | 0 |
| 64 | Other | 105 (100–110) | 21.0 ms (20.0–22.0) | 35.0 ms (30.0–40.0) | 3 |

## Start and memory

| server | first response after | processes | resident | with shared pages counted once |
|---|---|---|---|---|
| Ekiben | 1.50 s (1.00–2.00) | 2 | 4 MB (3–4) | 2 MB (2–2) |
| Other | 1.50 s (1.00–2.00) | 2 | 4 MB (3–4) | 2 MB (2–2) |

## The ceiling

| | texts/s | of the ceiling | of model.py in a loop |
|---|---|---|---|
| the example's model in a loop, batches of 32, grouped by length | 310 (300–320) | 1 | |
| padded | 155 | 0.500 | |
| grouped | 300 | 0.968 | |
| Ekiben, 64 clients, 1 text | 305 (300–310) | 0.980 (0.970–0.990) | |
| Other, 64 clients, 1 text | 105 (100–110) | 0.339 | 0.677 |
`

func TestReport(t *testing.T) {
	b := measured()
	var got strings.Builder
	b.reportCells(&got, 1)
	b.reportProcesses(&got)
	b.reportCeiling(&got)
	if got.String() != tables {
		t.Errorf("found:\n%s\nwant:\n%s", got.String(), tables)
	}
	err := b.failures()
	if want := "Other, 1 client, 1 text: no request must fail, found 3: status 503\nOther, 64 clients, 1 text: no request must fail, found 3: status 503"; err == nil || err.Error() != want {
		t.Errorf("found %v, want %s", err, want)
	}
}
