package alarm

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// expiries records when Expire was called.
type expiries struct {
	start time.Time
	mu    sync.Mutex
	after []time.Duration
}

func (e *expiries) Expire() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.after = append(e.after, time.Since(e.start))
}

// TestAlarm watches one after the other: each watch is done after a time, or never.
func TestAlarm(t *testing.T) {
	type watch struct{ timeout, done time.Duration }
	const never = time.Hour
	for name, test := range map[string]struct {
		watches []watch
		want    []time.Duration // when Expire is called, from the start
	}{
		"expires":                      {[]watch{{time.Second, never}}, []time.Duration{time.Second}},
		"done in time":                 {[]watch{{time.Second, time.Second - 1}}, nil},
		"the next has its own time":    {[]watch{{time.Minute, 59 * time.Second}, {time.Minute, never}}, []time.Duration{119 * time.Second}},
		"the next is earlier":          {[]watch{{time.Minute, time.Second}, {time.Second, never}}, []time.Duration{2 * time.Second}},
		"again after it has expired":   {[]watch{{time.Second, never}, {time.Second, never}}, []time.Duration{time.Second, never + time.Second}},
		"the timer fires between two":  {[]watch{{time.Second, 0}, {never, 2 * time.Second}, {time.Second, never}}, []time.Duration{3 * time.Second}},
		"a deadline that has passed":   {[]watch{{-time.Second, never}}, []time.Duration{0}},
		"earlier, later, then expires": {[]watch{{time.Minute, 1}, {time.Second, 1}, {time.Minute, never}}, []time.Duration{time.Minute + 2}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var a Alarm
				e := &expiries{start: time.Now()}
				for _, w := range test.watches {
					a.Watch(e, time.Now().Add(w.timeout))
					time.Sleep(w.done)
					a.Done()
				}
				time.Sleep(2 * never)
				e.mu.Lock()
				defer e.mu.Unlock()
				if !slices.Equal(e.after, test.want) {
					t.Errorf("expired after %v, want %v", e.after, test.want)
				}
			})
		})
	}
}

// TestConcurrent uses an alarm while it fires, for the race detector.
func TestConcurrent(t *testing.T) {
	var a Alarm
	e := &expiries{}
	for range 1000 {
		a.Watch(e, time.Now().Add(time.Microsecond))
		a.Watch(e, time.Now().Add(time.Hour))
		a.Done()
	}
}

// BenchmarkAlarm compares an alarm with a timer that is reset and stopped.
func BenchmarkAlarm(b *testing.B) {
	b.Run("alarm", func(b *testing.B) {
		var a Alarm
		for b.Loop() {
			a.Watch(nil, time.Now().Add(time.Minute))
			a.Done()
		}
	})
	b.Run("timer", func(b *testing.B) {
		timer := time.AfterFunc(time.Minute, func() {})
		for b.Loop() {
			timer.Reset(time.Until(time.Now().Add(time.Minute)))
			timer.Stop()
		}
	})
}
