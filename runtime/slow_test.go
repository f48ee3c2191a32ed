package runtime_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	goruntime "runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// faults is an app whose requests can be made slow for each cause.
type faults struct {
	*server
	app  *runtime.App
	gate *gate
	took time.Duration // of the fault that is injected
}

type fault struct {
	Sleep       time.Duration `json:"sleep" default:"0"`
	Compute     time.Duration `json:"compute" default:"0"`
	Collections uint64        `json:"collections" default:"0"`
}

const batchWindow = 120 * time.Millisecond

func newFaults(t *testing.T, change func(*config.Config)) *faults {
	gate, large := newGate(), make([]byte, 16<<20)
	app := newApp("Faults", settings(func(c *config.Config) {
		c.Slow.Objective, c.Slow.Keep = 30*time.Millisecond, 1000
		c.Traffic.MaxQueue = 10
		if change != nil {
			change(c)
		}
	}))
	runtime.Handle(app, "work", func(_ context.Context, in fault) (int, error) {
		allocate(in.Collections)
		compute(in.Compute)
		return 0, nap(in.Sleep)
	})
	runtime.Handle(app, "single", gate.wait, runtime.MaxConcurrency(1))
	app.Mount("/large", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(large) }))
	runtime.HandleBatch(app, "batch", func(_ context.Context, in []int) ([]int, error) { return in, nil },
		runtime.Batching(batcher.Config{Policy: batcher.PolicyWindow, Window: batchWindow, MaxBatchSize: 8}))
	return &faults{server: serve(t, app), app: app, gate: gate}
}

func nap(d time.Duration) error {
	time.Sleep(d)
	return nil
}

// compute computes for a time.
func compute(d time.Duration) {
	sum := [32]byte{}
	for began := time.Now(); time.Since(began) < d; {
		for range 1000 {
			sum = sha256.Sum256(sum[:])
		}
	}
}

// ask sends a request and returns its id.
func (f *faults) ask(path, body string) string {
	return f.post(path, body).header.Get("X-Bentoml-Request-Id")
}

func (f *faults) function() string { return f.ask("/work", fmt.Sprintf(`{"sleep":%d}`, f.took)) }

// queue lets a request wait for the slot of another.
func (f *faults) queue() string {
	var other sync.WaitGroup
	defer other.Wait()
	other.Go(func() { _, _ = f.try("POST", "/single", "{}") })
	<-f.gate.entered
	other.Go(func() {
		for !strings.Contains(f.samples("traffic_queued"), " 1.0") {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(f.took)
		f.gate.release <- struct{}{}
		<-f.gate.entered
		f.gate.release <- struct{}{}
	})
	return f.ask("/single", "{}")
}

func (f *faults) batch() string { return f.ask("/batch", `{"items":[1,2]}`) }

// body sends a body with a pause in it.
func (f *faults) body() string {
	from, to := io.Pipe()
	go func() {
		_, _ = io.WriteString(to, `{"sleep":`)
		time.Sleep(f.took)
		_, _ = io.WriteString(to, `0}`)
		_ = to.Close()
	}()
	res := check.Value(f.http.Post(f.url+"/work", "application/json", from))(f.t)
	readAll(f.t, res)
	return res.Header.Get("X-Bentoml-Request-Id")
}

// client reads its response late.
func (f *faults) client() string {
	conn := f.dial()
	defer conn.Close()
	_, err := io.WriteString(conn, "POST /large HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
	check.Must(f.t, err)
	time.Sleep(f.took)
	res := check.Value(http.ReadResponse(bufio.NewReader(conn), nil))(f.t)
	_ = readAll(f.t, res)
	return res.Header.Get("X-Bentoml-Request-Id")
}

// scheduling lets many goroutines compute beside the request.
func (f *faults) scheduling() string {
	defer busy(6)()
	return f.ask("/work", fmt.Sprintf(`{"compute":%d}`, f.took))
}

// busy lets goroutines compute until stop is called: so many for each processor.
func busy(each int) (stop func()) {
	var running sync.WaitGroup
	var ended atomic.Bool
	for range each * goruntime.GOMAXPROCS(0) {
		running.Go(func() {
			for !ended.Load() {
				compute(time.Millisecond)
			}
		})
	}
	return func() {
		ended.Store(true)
		running.Wait()
	}
}

// gc lets the function allocate beside many objects that are kept, while the heap may not grow.
// With one processor nobody else marks them. The runtime does not let the collector have more
// processor time than the program had, so the program takes some first.
func (f *faults) gc() string {
	stop := busy(1)
	compute(300 * time.Millisecond)
	stop()
	kept := make([]*int, 1<<19)
	for i := range kept {
		kept[i] = new(int)
	}
	defer goruntime.KeepAlive(kept)
	defer goruntime.GOMAXPROCS(goruntime.GOMAXPROCS(1))
	defer debug.SetGCPercent(debug.SetGCPercent(1))
	goruntime.GC() // the runtime tells of processor times when a collection ends
	f.function()   // this takes a sample
	return f.ask("/work", `{"collections":5}`)
}

// allocate allocates until the garbage collector has run so often.
func allocate(collections uint64) {
	runs := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(runs)
	for end := runs[0].Value.Uint64() + collections; runs[0].Value.Uint64() < end; metrics.Read(runs) {
		for range 100 {
			garbage = make([]*int, 128)
		}
	}
}

var garbage []*int

// Of requests that are slow for a random cause, 95 % are named right. The time of each is
// divided without a rest. Other processes can make a request slow for another cause than the one
// that is injected: a cause is right too if all of the injected time is found. For the estimates
// of the whole process there are three attempts.
func TestSlowCauses(t *testing.T) {
	const rounds = 60
	for seed := range uint64(3) {
		right := nameCauses(t, rounds, seed)
		t.Logf("seed %d: %d of %d causes are right", seed, right, rounds)
		if right*100 >= rounds*95 {
			return
		}
	}
	t.Error("want 95 % in one of three attempts")
}

// nameCauses injects causes and returns how many were named right.
func nameCauses(t *testing.T, rounds int, seed uint64) (right int) {
	f := newFaults(t, nil)
	inject := map[runtime.SlowCause]func() string{
		runtime.SlowFunction: f.function, runtime.SlowQueue: f.queue, runtime.SlowBatch: f.batch, runtime.SlowBody: f.body,
		runtime.SlowClient: f.client, runtime.SlowGC: f.gc, runtime.SlowScheduling: f.scheduling,
	}
	names := []runtime.SlowCause{runtime.SlowFunction, runtime.SlowQueue, runtime.SlowBatch, runtime.SlowBody, runtime.SlowClient, runtime.SlowGC, runtime.SlowScheduling}
	random := rand.New(rand.NewPCG(seed, seed))
	for range rounds {
		name := names[random.IntN(len(names))]
		f.took = time.Duration(80+random.IntN(80)) * time.Millisecond
		id := inject[name]()
		record := f.record(string(name), id)
		if record.Cause == name || f.found(name, record) {
			right++
		} else {
			t.Logf("%s was named %s: %v", name, record.Cause, record.Spent)
		}
		var sum time.Duration
		for _, share := range record.Spent {
			sum += share
		}
		if off := record.Took - sum; off.Abs() > time.Microsecond {
			t.Errorf("took %s, divided %s: %v", record.Took, sum, record.Spent)
		}
	}
	return right
}

// found reports whether a measured cause has the time that was injected.
func (f *faults) found(name runtime.SlowCause, record runtime.SlowRequest) bool {
	injected := f.took
	switch name {
	case runtime.SlowGC, runtime.SlowScheduling:
		return false
	case runtime.SlowBatch:
		injected = batchWindow
	}
	return record.Spent[name] >= injected*9/10
}

// record returns the record of a request, which may end after its client has the response.
func (f *faults) record(name, id string) runtime.SlowRequest {
	f.t.Helper()
	for late := time.Now().Add(patience); time.Now().Before(late); time.Sleep(time.Millisecond) {
		all := f.app.SlowRequests()
		if at := slices.IndexFunc(all, func(r runtime.SlowRequest) bool { return r.RequestID == id }); at >= 0 {
			return all[at]
		}
	}
	f.t.Fatalf("no record of request %s: %s", id, name)
	return runtime.SlowRequest{}
}

// A record has what an operator looks for: the exemplar's trace leads to it, and nothing in it
// comes from the client. The counter has its cause.
func TestSlowRecord(t *testing.T) {
	const trace = "0af7651916cd43dd8448eb211c80319c"
	f := newFaults(t, func(c *config.Config) {
		c.HTTP.PathPrefix = "/ml"
		c.Tracing.Enabled, c.Tracing.SampleRate = true, 1
	})
	got := f.do("POST", "/ml/batch?secret=1", `{"items":[1,2]}`, "X-Secret", "secret", "Traceparent", "00-"+trace+"-b7ad6b7169203331-01")
	f.do("POST", "/ml/work", fmt.Sprintf(`{"sleep":%d,"note":"secret"}`, 40*time.Millisecond)).want(t, 200, "0")
	var found struct {
		Requests []map[string]any `json:"requests"`
	}
	handler := runtime.SlowHandler(f.app)
	page := call(handler, "GET", "/debug/slow?trace_id="+strings.ToUpper(trace), "")
	check.Must(t, json.Unmarshal([]byte(page), &found))
	if all := call(handler, "GET", "/debug/slow", ""); len(found.Requests) != 1 || strings.Count(all, "request_id") != 2 || strings.Contains(all, "secret") {
		t.Fatalf("got %s of %s", page, all)
	}
	one := found.Requests[0]
	causes := map[string]any{"/ml/batch": one["cause"], "/ml/work": f.app.SlowRequests()[0].Cause} // noise can be larger than the wait
	for _, key := range []string{"time", "took_seconds", "spent_seconds", "cause"} {
		delete(one, key)
	}
	delete(one["batch"].(map[string]any), "compute_seconds")
	check.Equal(t, one, map[string]any{
		"service": "Faults", "endpoint": "/ml/batch", "status": 200.0, "trace_id": trace,
		"request_id": got.header.Get("X-Bentoml-Request-Id"), "batch": map[string]any{"requests": 1.0, "items": 2.0},
	})
	check.Equal(t, call(handler, "GET", "/debug/slow?request_id="+got.header.Get("X-Bentoml-Request-Id"), ""), page)
	check.Contains(t, call(handler, "GET", "/debug/slow?request_id=none&trace_id="+trace, ""), `"requests": []`)
	for query, want := range map[string]string{
		"trace=" + trace:            `unknown parameter "trace": must be trace_id or request_id`,
		"trace_id=af76":             `trace_id: must have 32 hexadecimal digits, as in exemplars, found "af76"`,
		"trace_id=":                 `trace_id: must have 32 hexadecimal digits, as in exemplars, found ""`,
		"request_id=":               "request_id: must be an id of the log or of X-BentoML-Request-ID, found none",
		"request_id=1&request_id=2": "request_id: must be given once, found 2",
		"request_id=%":              `invalid URL escape "%"`,
	} {
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, httptest.NewRequest("GET", "/debug/slow?"+query, nil))
		check.Equal(t, fmt.Sprint(recorder.Code, " ", recorder.Body), "400 "+want+"\n")
	}
	check.Equal(t, call(handler, "POST", "/debug/slow", ""), "Method Not Allowed")
	f.url += "/ml"
	for endpoint, cause := range causes {
		check.Contains(t, f.samples("slow_requests"), fmt.Sprintf(`ekiben_slow_requests_total{cause="%v",endpoint=%q} 1.0`, cause, endpoint))
	}
}

// A record is a copy: its owner may change it.
func TestSlowRecordIsCopy(t *testing.T) {
	f := newFaults(t, nil)
	f.took = 40 * time.Millisecond
	const changed = -1
	f.record("function", f.function()).Spent["function"] = changed
	if spent := f.app.SlowRequests()[0].Spent; spent["function"] == changed {
		t.Errorf("got %v", spent)
	}
}

// Two batch APIs that a function calls at the same time: each wait ends when its own batch begins.
func TestSlowBatchesSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newApp("Two", settings(func(c *config.Config) { c.Slow.Objective, c.Traffic.Timeout = time.Second, 0 }))
		var apis []*runtime.API[[]int, []int]
		for _, window := range []time.Duration{time.Second, 10 * time.Second} {
			apis = append(apis, runtime.HandleBatch(app, "after"+window.String(), func(_ context.Context, in []int) ([]int, error) { return in, nil },
				runtime.Batching(batcher.Config{Policy: batcher.PolicyWindow, Window: window, MaxLatency: time.Minute})))
		}
		runtime.Handle(app, "both", func(ctx context.Context, _ struct{}) (int, error) {
			var all sync.WaitGroup
			defer all.Wait()
			for _, api := range apis {
				all.Go(func() { _, _ = api.Call(ctx, []int{1}) })
			}
			return 1, nil
		})
		s := direct(t, app)
		s.post("/both", "{}").want(t, 200, "1")
		record := app.SlowRequests()[0]
		check.Equal(t, record.Spent, map[runtime.SlowCause]time.Duration{runtime.SlowBatch: 10 * time.Second})
		check.Equal(t, record.Cause, "batch")
	})
}

// An endpoint has its own objective, with slow.objective and without. Without any, nothing is kept.
func TestSlowObjective(t *testing.T) {
	zero, some := time.Duration(0), 30*time.Millisecond
	endpoints := func(of ...string) func(*config.Config) {
		return func(c *config.Config) {
			c.Slow.Objective, c.Traffic.Endpoints = zero, map[string]config.EndpointTraffic{}
			for i := 0; i < len(of); i += 2 {
				c.Traffic.Endpoints[of[i]] = config.EndpointTraffic{SlowObjective: map[string]*time.Duration{"0": &zero, "30ms": &some}[of[i+1]]}
			}
		}
	}
	for _, c := range []struct {
		change func(*config.Config)
		want   string
	}{
		{nil, "/work /batch"},
		{endpoints(), ""},
		{endpoints("/work", "30ms"), "/work"},
		{func(c *config.Config) { endpoints("/work", "0")(c); c.Slow.Objective = some }, "/batch"},
	} {
		f := newFaults(t, c.change)
		f.took = 2 * some
		f.function()
		f.batch()
		check.Must(t, f.end())
		var got []string
		for _, r := range slices.Backward(f.app.SlowRequests()) {
			got = append(got, r.Endpoint)
		}
		check.Equal(t, strings.Join(got, " "), c.want)
	}
}
