package batcher

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// history has the calls of a batcher, the failures of the function, and the changes
// by the operator. Times are milliseconds.
type history struct {
	cfg       Config
	calls     []scheduled
	a, b      int // a batch takes a + b·n
	reconfigs []reconfig
	closeAt   int // 0: after all calls
}

type scheduled struct {
	at, items, deadline, cancel int // 0: none
	poison                      bool
	heavy                       int // size of each item
	rank                        Rank
}

type reconfig struct {
	at  int
	cfg Config
}

func configs(t *rapid.T, label string) Config {
	return Config{
		MaxBatchSize: rapid.IntRange(1, 9).Draw(t, label+"size"),
		MaxLatency:   time.Duration(rapid.SampledFrom([]int{5, 20, 100, 60_000}).Draw(t, label+"latency")) * time.Millisecond,
		MaxQueue:     rapid.SampledFrom([]int{0, 0, 1, 8}).Draw(t, label+"queue"),
		Policy:       rapid.SampledFrom([]Policy{PolicyAdaptive, PolicyAdaptive, PolicyIdle, PolicyWindow}).Draw(t, label+"policy"),
		Window:       time.Duration(rapid.IntRange(0, 5).Draw(t, label+"window")) * time.Millisecond,
		Workers:      rapid.IntRange(1, 3).Draw(t, label+"workers"),
		Retryable:    rapid.Bool().Draw(t, label+"retryable"),
	}
}

func draw(t *rapid.T) history {
	s := history{cfg: configs(t, ""), a: rapid.IntRange(0, 10).Draw(t, "a"), b: rapid.IntRange(0, 2).Draw(t, "b")}
	at, tenants, low := 0, rapid.SampledFrom([]string{"", "", "a", "abc"}).Draw(t, "tenants"), rapid.Bool().Draw(t, "priorities")
	for i := range rapid.IntRange(1, 12).Draw(t, "calls") {
		name := func(s string) string { return fmt.Sprint(s, i) }
		at += rapid.SampledFrom([]int{0, 0, 0, 1, 1, 3, 10, 30}).Draw(t, name("gap"))
		s.calls = append(s.calls, scheduled{
			at: at, items: rapid.SampledFrom([]int{0, 1, 1, 1, 2, 5, 20}).Draw(t, name("items")),
			deadline: rapid.SampledFrom([]int{0, 0, 1, 5, 25}).Draw(t, name("deadline")),
			cancel:   rapid.SampledFrom([]int{0, 0, 0, 1, 7}).Draw(t, name("cancel")),
			poison:   rapid.IntRange(0, 9).Draw(t, name("poison")) == 0,
			heavy:    rapid.SampledFrom([]int{1, 1, 1, 3, 12}).Draw(t, name("heavy")),
			rank:     Rank{low && rapid.Bool().Draw(t, name("low")), rapid.SampledFrom(append(strings.Split(tenants, ""), "")).Draw(t, name("tenant"))},
		})
	}
	for i := range rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "reconfigs") {
		s.reconfigs = append(s.reconfigs, reconfig{rapid.IntRange(0, at+10).Draw(t, "reconfig"), configs(t, fmt.Sprint("re", i))})
	}
	if rapid.IntRange(0, 4).Draw(t, "closes") == 0 {
		s.closeAt = rapid.IntRange(1, at+10).Draw(t, "close")
	}
	return s
}

// item is unique in a history.
type item struct{ caller, index, size int }

// world checks the invariants during a history.
type world struct {
	mu       sync.Mutex
	problems []string
	batched  int
	served   int         // items with a result
	failed   int         // items of calls that the function failed
	vain     int         // items computed for callers who had left or were refused
	limit    int         // largest MaxBatchSize so far
	gone     []time.Time // when each caller stops waiting; zero: never
	again    bool        // Retryable in some configuration
}

func (w *world) complainf(format string, args ...any) {
	w.problems = append(w.problems, fmt.Sprintf(format, args...))
}

type indexKey struct{}

// model is the function. It checks its arguments.
func (w *world) model(s history) Func[item, item] {
	return func(ctx context.Context, items []item) ([]item, error) {
		w.mu.Lock()
		size := 0
		poisoned := false
		for i, it := range items {
			size += it.size
			if got := ItemContext(ctx, i).Value(indexKey{}); got != it.caller {
				w.complainf("item %d of %v is said to be of caller %v", i, items, got)
			}
			poisoned = poisoned || s.calls[it.caller].poison
			if gone := w.gone[it.caller]; !w.again && !gone.IsZero() && time.Now().After(gone) {
				w.complainf("items of caller %d were sent %s after it left", it.caller, time.Since(gone))
			}
		}
		if len(items) == 0 || size > w.limit && len(items) > 1 {
			w.complainf("a batch of %d items, size %d, of %d", len(items), size, w.limit)
		}
		w.mu.Unlock()
		time.Sleep(time.Duration(s.a+s.b*len(items)) * time.Millisecond)
		if poisoned {
			return nil, errPoison
		}
		out := make([]item, len(items))
		for i, it := range items {
			out[i] = item{it.caller, it.index, -it.size}
		}
		return out, nil
	}
}

var errPoison = errors.New("poison")

// batch counts the items of a batch.
func (w *world) batch(b Batch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.batched += b.Items
	w.vain += b.Abandoned
	if b.Items > 0 && (b.Worker < 1 || b.Worker > 3 || b.Requests < 1 || len(b.Queued) > b.Requests || b.Abandoned > b.Items) {
		w.complainf("reported %+v", b)
	}
}

// refuse counts the items that were computed in vain.
func (w *world) refuse(r Refused) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.vain += r.Abandoned
	if r.Calls < 1 || r.Abandoned < 0 {
		w.complainf("reported %d refused calls, %d items computed", r.Calls, r.Abandoned)
	}
}

func (s history) run(t *testing.T) []string {
	w := &world{limit: s.cfg.MaxBatchSize, again: s.cfg.Retryable, gone: make([]time.Time, len(s.calls))}
	for _, r := range s.reconfigs {
		w.again = w.again || r.cfg.Retryable
	}
	synctest.Test(t, func(t *testing.T) {
		rank := func(ctx context.Context) Rank { return s.calls[ctx.Value(indexKey{}).(int)].rank }
		b := start(w.model(s), s.cfg, WithObserver[item](Observer{w.batch, w.refuse}), SizeOf[item](func(it item) int { return it.size }), RankOf[item](rank))
		var all sync.WaitGroup
		for i, c := range s.calls {
			all.Go(func() {
				time.Sleep(time.Duration(c.at) * time.Millisecond)
				w.leaves(i, c, s)
				w.call(b, i, c)
			})
		}
		for _, r := range s.reconfigs {
			all.Go(func() {
				time.Sleep(time.Duration(r.at) * time.Millisecond)
				w.mu.Lock()
				w.limit = max(w.limit, r.cfg.MaxBatchSize)
				w.mu.Unlock()
				if err := b.Configure(r.cfg); err != nil {
					w.complainf("Configure: %v", err)
				}
			})
		}
		if s.closeAt > 0 {
			all.Go(func() {
				time.Sleep(time.Duration(s.closeAt) * time.Millisecond)
				if err := b.Close(context.Background()); err != nil {
					w.complainf("Close: %v", err)
				}
			})
		}
		all.Wait()
		if err := b.Close(context.Background()); err != nil {
			w.complainf("Close: %v", err)
		}
		if requests, items := b.Queued(); requests != 0 || items != 0 {
			w.complainf("%d requests and %d items are left in the queue", requests, items)
		}
		if w.batched != w.served+w.failed+w.vain {
			w.complainf("%d items were batched, %d served, %d failed, %d computed in vain", w.batched, w.served, w.failed, w.vain)
		}
	})
	return w.problems
}

// leaves stores when a caller that calls now stops waiting.
func (w *world) leaves(i int, c scheduled, s history) {
	w.mu.Lock()
	defer w.mu.Unlock()
	limits := []int{c.deadline, c.cancel}
	if len(s.reconfigs) == 0 { // else MaxLatency can change
		limits = append(limits, int(s.cfg.MaxLatency/time.Millisecond))
	}
	for _, after := range limits {
		at := time.Now().Add(time.Duration(after) * time.Millisecond)
		if after > 0 && (w.gone[i].IsZero() || at.Before(w.gone[i])) {
			w.gone[i] = at
		}
	}
}

// call is one caller.
func (w *world) call(b *Batcher[item, item], i int, c scheduled) {
	ctx, cancel := context.WithCancel(context.WithValue(context.Background(), indexKey{}, i))
	defer cancel()
	if c.deadline > 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(c.deadline)*time.Millisecond)
		defer cancel()
	}
	if c.cancel > 0 {
		timer := time.AfterFunc(time.Duration(c.cancel)*time.Millisecond, cancel)
		defer timer.Stop()
	}
	items := make([]item, c.items)
	for j := range items {
		items[j] = item{i, j, c.heavy}
	}
	result, err := b.Do(ctx, items)
	some, _ := err.(Errors)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err == nil:
		w.served += c.items
	case errors.Is(err, errPoison):
		w.failed += c.items
	case !errors.Is(err, ErrOverloaded) && !errors.Is(err, ErrClosed) && (ctx.Err() == nil || !errors.Is(err, ctx.Err())):
		w.complainf("caller %d got %v", i, err)
	}
	if served := err == nil || some != nil && !some.all(); served != (len(result.Items) == c.items) && c.items > 0 || err == nil && c.poison && c.items > 0 {
		w.complainf("caller %d got %d results for %d items, poison %t, %v", i, len(result.Items), c.items, c.poison, err)
	}
	for j, it := range result.Items {
		if (some == nil || some[j] == nil) && it != (item{i, j, -c.heavy}) {
			w.complainf("caller %d got %+v as result %d", i, it, j)
		}
	}
}

// TestProperties runs random histories in virtual time. Every caller gets its own
// results, once. No batch is too large. Every item that was computed has a result,
// has failed, or is reported as computed in vain. Nothing stays in the queue. For
// more histories: -rapid.checks=100000.
func TestProperties(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		if problems := draw(rt).run(t); len(problems) > 0 {
			rt.Fatalf("%q", problems)
		}
	})
}
