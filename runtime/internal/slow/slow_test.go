package slow

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/ekiben-serving/ekiben/internal/check"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The largest share is the cause. Among shares that are about equal, the first one is.
func TestCause(t *testing.T) {
	for _, c := range []struct {
		spent shares
		want  Cause
	}{
		{shares{}, Function},
		{shares{Function: 100}, Function},
		{shares{Body: 10, Function: 90}, Function},
		{shares{Queue: 46, Function: 54}, Queue},
		{shares{Queue: 45, Function: 55}, Function},
		{shares{Client: 34, Batch: 33, GC: 33}, Client},
		{shares{Batch: 30, GC: 35, Scheduling: 35}, Batch},
		{shares{Batch: 20, GC: 40, Scheduling: 40}, GC},
		{shares{GC: 10, Scheduling: 46, Function: 44}, Scheduling},
	} {
		if got := c.spent.cause(100); got != c.want {
			t.Errorf("%v: got %s, want %s", c.spent, got, c.want)
		}
	}
}

// The function's time is divided by what the runtime did meanwhile, without a rest.
func TestDivide(t *testing.T) {
	start := time.Now()
	for _, c := range []struct {
		name string
		did  sample
		want shares
	}{
		{"nothing", sample{}, shares{Function: 1000, Queue: 7}},
		{"pauses", sample{stopped: .25}, shares{GC: 250, Function: 750, Queue: 7}},
		{"assists", sample{assisted: 3, computed: 1}, shares{GC: 750, Function: 250, Queue: 7}},
		{"own processors", sample{marked: 3, computed: 1}, shares{Function: 1000, Queue: 7}},
		{"waits", sample{contended: .5}, shares{Scheduling: 500, Function: 500, Queue: 7}},
		{"waits for the collector", sample{contended: .5, marked: 3, computed: 1}, shares{GC: 375, Scheduling: 125, Function: 500, Queue: 7}},
		{"more than all", sample{stopped: 3, contended: 3, assisted: 1}, shares{GC: 1000, Queue: 7}},
	} {
		got := shares{Function: 1000, Queue: 7}
		c.did.at = start.Add(time.Second)
		got.divide(&sample{at: start}, &c.did)
		check.Equal(t, fmt.Sprint(c.name, got), fmt.Sprint(c.name, c.want))
	}
}

// Each moment has one owner. A batch that runs is no wait.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Log
		check.Equal(t, l.Watch(time.Now()) == nil, true)
		l.Apply(true, 1)
		defer l.Close()
		start := time.Now()
		w := l.Watch(start)
		w.Begin(Queue)
		time.Sleep(time.Second)
		w.Begin(Client) // comes first
		time.Sleep(2 * time.Second)
		w.End(Client)
		w.End(Queue)
		time.Sleep(3 * time.Second)
		wait, run := w.Await(), &Run{2, 3}
		time.Sleep(4 * time.Second)
		wait.Began(run)
		time.Sleep(5 * time.Second)
		wait.Computed(run, 5*time.Second)
		wait.End()
		body := w.Reading(io.NopCloser(io.MultiReader(sleeper(6*time.Second), strings.NewReader("a"))))
		check.Must(t, firstError(io.ReadAll(body)))
		check.Must(t, body.Close())
		spent, last, compute := w.end(time.Since(start))
		check.Equal(t, spent, shares{Queue: time.Second, Client: 2 * time.Second, Batch: 4 * time.Second, Body: 6 * time.Second, Function: 8 * time.Second})
		check.Equal(t, last, Run{2, 3})
		check.Equal(t, compute, 5*time.Second)
	})
}

// awaited is what calls do that wait for batches, and what the record then says.
type awaited struct {
	steps   func(w *Watch)
	batch   time.Duration
	compute time.Duration // of the second run
}

func waits(first, second *Run) map[string]awaited {
	return map[string]awaited{
		"side by side": {func(w *Watch) {
			one, other := w.Await(), w.Await()
			time.Sleep(time.Second)
			one.Began(first)
			time.Sleep(9 * time.Second)
			other.Began(second)
			time.Sleep(5 * time.Second)
			other.Computed(second, 5*time.Second)
			other.End()
			time.Sleep(time.Second)
			one.Computed(first, 15*time.Second)
			one.End()
		}, 10 * time.Second, 5 * time.Second},
		"a list in two batches": {func(w *Watch) {
			wait := w.Await()
			time.Sleep(time.Second)
			wait.Began(first)
			time.Sleep(2 * time.Second)
			wait.Computed(first, 2*time.Second)
			time.Sleep(4 * time.Second) // a batch of others runs
			wait.Began(second)
			time.Sleep(8 * time.Second)
			wait.Computed(second, 8*time.Second)
			wait.End()
		}, 5 * time.Second, 8 * time.Second},
		"a list in two batches at once": {func(w *Watch) {
			wait := w.Await()
			wait.Began(first)
			wait.Began(second)
			time.Sleep(time.Second)
			wait.Computed(second, time.Second)
			time.Sleep(time.Second)
			wait.Computed(first, 2*time.Second)
			wait.End()
		}, 0, time.Second},
		"left while a batch runs": {func(w *Watch) {
			left, stays := w.Await(), w.Await()
			time.Sleep(time.Second)
			left.Began(second)
			left.End()
			left.Computed(second, time.Second)
			time.Sleep(time.Second)
			stays.End()
			time.Sleep(time.Second)
		}, 2 * time.Second, time.Second},
	}
}

// Each call waits for its own batches: while none of them runs, until it returns. What a batch
// tells after that is of no call. The record has the batch that began last.
func TestWait(t *testing.T) {
	first, second := &Run{Requests: 1}, &Run{Requests: 2}
	for name, c := range waits(first, second) {
		synctest.Test(t, func(t *testing.T) {
			w := &Watch{start: time.Now()}
			c.steps(w)
			spent, last, compute := w.end(time.Since(w.start))
			check.Equal(t, fmt.Sprint(name, spent[Batch], last, compute), fmt.Sprint(name, c.batch, *second, c.compute))
			check.Equal(t, w.waiting, [GC]int16{})
		})
	}
}

// sleeper has no bytes, after a while.
type sleeper time.Duration

func (s sleeper) Read([]byte) (int, error) {
	time.Sleep(time.Duration(s))
	return 0, io.EOF
}

func firstError(_ []byte, err error) error { return err }

// The log keeps the latest records. It can be turned off and on, not after Close.
func TestLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Log
		add := func(ids ...string) {
			for _, id := range ids {
				check.Equal(t, l.Add(l.Watch(time.Now()), Record{RequestID: id, TraceID: "trace-" + id, Took: time.Second}), Function)
			}
		}
		ids := func(trace string) (all string) {
			for _, r := range l.List(trace) {
				all += r.RequestID
			}
			return all
		}
		l.Apply(true, 3)
		add("a", "b", "c", "d")
		check.Equal(t, ids(""), "dcb")
		check.Equal(t, ids("trace-c"), "c")
		l.Apply(true, 2)
		check.Equal(t, ids(""), "dc")
		l.Apply(false, 2)
		check.Equal(t, l.On(), false)
		check.Equal(t, ids(""), "dc")
		l.Apply(true, 2)
		add("e")
		check.Equal(t, ids(""), "ed")
		l.Close()
		l.Apply(true, 2)
		check.Equal(t, l.On(), false)
	})
}

// Of goroutines that want a processor, those beyond the processors wait. The one that samples
// is not counted.
func TestWaiting(t *testing.T) {
	for _, c := range []struct{ goroutines, processors, want float64 }{{1, 1, 0}, {2, 1, 0}, {3, 1, .5}, {9, 2, .75}, {1, 8, 0}, {0, 0, 0}} {
		check.Equal(t, waiting(c.goroutines, c.processors), c.want)
	}
}
