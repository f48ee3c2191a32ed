package slots_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime/internal/slots"
)

// worker has slots behind a queue.
type worker struct {
	slots.Slots
	slots.Queue
	t     *testing.T
	mu    sync.Mutex
	order []string
}

// take is Acquire as a Waiter has it.
func (w *worker) take() slots.Outcome {
	if w.Acquire() {
		return slots.Acquired
	}
	return slots.SharedTaken
}

func (w *worker) release() {
	w.Slots.Release()
	w.Released()
}

// enter takes a slot, waits for one or is refused. A request that is admitted holds it for a second.
func (w *worker) enter(name string, deadline time.Time) (slots.Verdict, time.Duration) {
	return w.enterAs(name, &slots.Waiter{Acquire: w.take, Deadline: deadline})
}

func (w *worker) enterAs(name string, one *slots.Waiter) (slots.Verdict, time.Duration) {
	v, after := w.Enter(one)
	run := func() {
		w.mu.Lock()
		w.order = append(w.order, name)
		w.mu.Unlock()
		time.Sleep(time.Second)
		w.release()
	}
	switch v {
	case slots.Admitted:
		go run()
	case slots.Waiting:
		go func() {
			<-one.Ready()
			if gone, _ := one.Refused(); !gone {
				run()
			}
		}()
	}
	return v, after
}

func (w *worker) want(name string, deadline time.Time, want slots.Verdict) (after time.Duration) {
	w.t.Helper()
	got, after := w.enter(name, deadline)
	if got != want {
		w.t.Errorf("%s: got %d, want %d", name, got, want)
	}
	return after
}

// Requests wait in the order of their arrival, or of their deadlines, and a full queue refuses.
func TestQueueOrder(t *testing.T) {
	for byDeadline, order := range map[bool]string{false: "[a b c d]", true: "[a c d b]"} {
		synctest.Test(t, func(t *testing.T) {
			w := &worker{t: t}
			w.Limit(1)
			w.Hold(3, byDeadline)
			now := time.Now()
			w.want("a", time.Time{}, slots.Admitted)
			w.want("b", time.Time{}, slots.Waiting)
			w.want("c", now.Add(time.Minute), slots.Waiting)
			w.want("d", now.Add(2*time.Minute), slots.Waiting)
			w.want("e", time.Time{}, slots.Full)
			check.Equal(t, w.Length(), 3)
			time.Sleep(time.Minute)
			w.mu.Lock()
			check.Equal(t, fmt.Sprint(w.order), order)
			w.mu.Unlock()
			check.Equal(t, w.Length(), 0)
			w.want("f", time.Time{}, slots.Admitted)
			time.Sleep(time.Minute)
		})
	}
}

// A request whose turn would come after its deadline is refused at once, with the time until its
// turn. The estimate comes from the last admissions.
func TestQueueIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &worker{t: t}
		w.Limit(1)
		w.Hold(10, false)
		for i := range 8 {
			w.enter(fmt.Sprint(i), time.Time{})
		}
		time.Sleep(3500 * time.Millisecond) // four wait, and one is admitted each second
		check.Equal(t, w.Length(), 4)
		if after := w.want("late", time.Now().Add(4*time.Second), slots.Late); after != 5*time.Second {
			t.Errorf("try again after %s", after)
		}
		w.want("in time", time.Now().Add(6*time.Second), slots.Waiting)
		time.Sleep(time.Minute) // the queue becomes empty
		w.want("alone", time.Time{}, slots.Admitted)
		w.want("of an hour that may be faster", time.Now().Add(time.Millisecond), slots.Waiting)
		time.Sleep(time.Minute)
	})
}

// A request that leaves the queue gets no slot; one that has its slots cannot leave.
func TestQueueLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &worker{t: t}
		w.Limit(1)
		w.Hold(10, false)
		w.want("a", time.Time{}, slots.Admitted)
		leaving, staying := &slots.Waiter{Acquire: w.take}, &slots.Waiter{Acquire: w.take}
		w.Enter(leaving)
		w.Enter(staying)
		check.Equal(t, w.Leave(leaving), true)
		time.Sleep(time.Minute)
		<-staying.Ready()
		check.Equal(t, w.Leave(staying), false)
		check.Equal(t, w.Leave(leaving), false)
		taken, _ := w.Read()
		check.Equal(t, taken, 1)
	})
}

// Under many goroutines no slot is lost, none is given twice, and nobody waits beside a free one.
func TestQueueRaces(t *testing.T) {
	s := service{}
	s.Limit(3)
	s.Hold(5, false)
	endpoints := make([]slots.Endpoint, 4)
	for i := range endpoints {
		endpoints[i].Limit(i) // the first one has no limit
	}
	var all sync.WaitGroup
	verdicts := make([]int, 4)
	var mu sync.Mutex
	for i := range 64 {
		all.Go(func() {
			for j := range 200 {
				one := s.waiter(&endpoints[(i+j)%len(endpoints)])
				v, _ := s.Enter(one)
				mu.Lock()
				verdicts[v]++
				mu.Unlock()
				if v == slots.Waiting && j%3 == 0 && s.Leave(one) || v == slots.Full {
					continue
				}
				if v == slots.Waiting {
					<-one.Ready()
				}
				if taken, _ := s.Read(); taken > 3 {
					t.Errorf("%d run at once", taken)
				}
				s.release(one.Endpoint)
			}
		})
	}
	all.Wait()
	if taken, _ := s.Read(); taken != 0 || s.Length() != 0 {
		t.Errorf("%d slots are taken, %d wait, verdicts %v", taken, s.Length(), verdicts)
	}
}
