package slots_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/internal/turns"
	"github.com/ekiben-serving/ekiben/runtime/internal/slots"
)

// service has slots that its endpoints share, behind a queue.
type service struct {
	slots.Slots
	slots.Queue
}

// waiter is a request for an endpoint.
func (s *service) waiter(of *slots.Endpoint) *slots.Waiter {
	return &slots.Waiter{Endpoint: of, Acquire: func() slots.Outcome { return s.take(of, func() {}) }}
}

// take takes the slots of a request. between runs while it holds the one of the endpoint.
func (s *service) take(of *slots.Endpoint, between func()) slots.Outcome {
	if !of.Acquire() {
		return slots.OwnTaken
	}
	if !s.Acquire() {
		between()
		of.Release()
		return slots.SharedTaken
	}
	return slots.Acquired
}

func (s *service) release(of *slots.Endpoint) {
	of.Release()
	s.Slots.Release()
	s.Released()
}

// enter is Enter for a request that must get a verdict.
func (s *service) enter(t *testing.T, w *slots.Waiter, want slots.Verdict) *slots.Waiter {
	t.Helper()
	if got, _ := s.Enter(w); got != want {
		t.Errorf("got verdict %d, want %d", got, want)
	}
	return w
}

// has reports whether a request that waited has its slots.
func has(w *slots.Waiter) bool {
	select {
	case <-w.Ready():
		refused, _ := w.Refused()
		return !refused
	default:
		return false
	}
}

// two is a service with two endpoints of one slot each.
func two(most, places int) (s *service, a, b *slots.Endpoint) {
	s, a, b = &service{}, &slots.Endpoint{}, &slots.Endpoint{}
	s.Limit(most)
	s.Hold(places, false)
	a.Limit(1)
	b.Limit(1)
	return s, a, b
}

// A request whose slots are free has them, whoever waits for others, in a full queue too.
func TestFreeSlots(t *testing.T) {
	s, a, b := two(3, 1)
	s.enter(t, s.waiter(a), slots.Admitted)
	waits := s.enter(t, s.waiter(a), slots.Waiting)
	s.enter(t, s.waiter(b), slots.Admitted)
	s.enter(t, s.waiter(&slots.Endpoint{}), slots.Admitted)
	s.enter(t, s.waiter(b), slots.Full)
	s.release(b)
	check.Equal(t, has(waits), false)
	s.release(a)
	check.Equal(t, has(waits), true)
}

// A newcomer overtakes nobody who waits for the same slots, of its endpoint or of the service.
func TestNoOvertaking(t *testing.T) {
	s, a, b := two(2, 9)
	s.enter(t, s.waiter(a), slots.Admitted)
	s.enter(t, s.waiter(b), slots.Admitted)
	first, second := s.enter(t, s.waiter(a), slots.Waiting), s.enter(t, s.waiter(&slots.Endpoint{}), slots.Waiting)
	b.Release()
	s.Slots.Release() // Released is still to be called
	third := s.enter(t, s.waiter(b), slots.Waiting)
	check.Equal(t, fmt.Sprint(has(first), has(second), has(third)), "false true false")
	a.Release()
	s.Slots.Release()
	fourth := s.enter(t, s.waiter(a), slots.Waiting)
	check.Equal(t, fmt.Sprint(has(first), has(third), has(fourth)), "true false false")
	s.release(&slots.Endpoint{})
	check.Equal(t, fmt.Sprint(has(third), has(fourth)), "true false")
}

// A request that holds a slot of its endpoint while the service has none hides it from one that
// waits. It admits that one when it has given the slot back.
func TestHeldInVain(t *testing.T) {
	s, a, b := two(1, 1)
	s.enter(t, s.waiter(b), slots.Admitted)
	waits, tries := s.waiter(a), 0
	s.enter(t, &slots.Waiter{Endpoint: a, Acquire: func() slots.Outcome {
		return s.take(a, func() {
			if tries++; tries == 1 {
				s.enter(t, waits, slots.Waiting)
				s.release(b)
			}
		})
	}}, slots.Waiting)
	check.Equal(t, has(waits), true)
}

// What is released while admit tries is for the first one who lacks it.
func TestReleasedMeanwhile(t *testing.T) {
	s, a, b := two(1, 9)
	s.enter(t, s.waiter(a), slots.Admitted)
	a.Release()
	freed := false
	first := s.enter(t, &slots.Waiter{Endpoint: a, Acquire: func() slots.Outcome {
		outcome := s.take(a, func() {})
		if outcome == slots.SharedTaken && s.Length() == 2 && !freed {
			freed = true
			s.Slots.Release()
		}
		return outcome
	}}, slots.Waiting)
	second := s.enter(t, s.waiter(b), slots.Waiting)
	check.Equal(t, fmt.Sprint(has(first), has(second)), "false false")
	s.Released()
	check.Equal(t, fmt.Sprint(has(first), has(second)), "true false")
}

// of is a request of a tenant.
func (s *service) of(tenant string, at *slots.Endpoint) *slots.Waiter {
	w := s.waiter(at)
	w.Tenant = tenant
	return w
}

// What an endpoint with its own limit admits is no turn of those who wait for another one.
func TestTurnsOfEndpoints(t *testing.T) {
	s, a, b := two(9, 99)
	s.enter(t, s.of("a", a), slots.Admitted)
	s.enter(t, s.of("a", b), slots.Admitted)
	second := s.enter(t, s.of("a", a), slots.Waiting)
	third := s.enter(t, s.of("a", a), slots.Waiting)
	s.enter(t, s.of("a", b), slots.Waiting)
	s.release(b)
	other := s.enter(t, s.of("b", a), slots.Waiting)
	s.release(a)
	s.release(a)
	check.Equal(t, fmt.Sprint(has(second), has(other), has(third)), "true true false")
}

// Endpoints without a limit of their own share the turns, as they share the slots.
func TestTurnsOfService(t *testing.T) {
	s, a, b := two(1, 99)
	a.Limit(0)
	b.Limit(0)
	s.enter(t, s.of("a", a), slots.Admitted)
	s.enter(t, s.of("a", a), slots.Waiting)
	s.enter(t, s.of("a", a), slots.Waiting)
	third := s.enter(t, s.of("a", b), slots.Waiting)
	other := s.enter(t, s.of("b", b), slots.Waiting)
	s.release(a)
	s.release(a)
	check.Equal(t, fmt.Sprint(has(third), has(other)), "false true")
}

// A full queue gives a place of the tenant that has the most, at whatever endpoint.
func TestPlacesOfAllEndpoints(t *testing.T) {
	s, a, b := two(9, 2)
	s.enter(t, s.waiter(a), slots.Admitted)
	s.enter(t, s.waiter(b), slots.Admitted)
	of := func(rank turns.Rank, at *slots.Endpoint) *slots.Waiter {
		w := s.waiter(at)
		w.Rank = rank
		return w
	}
	s.enter(t, of(turns.Rank{Tenant: "a"}, a), slots.Waiting)
	last := s.enter(t, of(turns.Rank{Tenant: "a"}, a), slots.Waiting)
	s.enter(t, of(turns.Rank{Tenant: "a"}, b), slots.Full)
	s.enter(t, of(turns.Rank{Tenant: "b", Low: true}, b), slots.Full)
	s.enter(t, of(turns.Rank{Tenant: "b"}, b), slots.Waiting)
	refused, _ := last.Refused()
	check.Equal(t, refused, true)
	s.enter(t, of(turns.Rank{Tenant: "b"}, b), slots.Full)
	check.Equal(t, s.Length(), 2)
}

// A change of the order, or of the limits of an endpoint, sorts those who wait.
func TestHoldSorts(t *testing.T) {
	var s service
	var order []int
	of := &slots.Endpoint{}
	s.Hold(9, false)
	s.Limit(1)
	s.enter(t, s.waiter(of), slots.Admitted)
	at := func(hours int) {
		w := s.waiter(of)
		w.Deadline = time.Now().Add(time.Duration(hours) * time.Hour)
		acquire := w.Acquire
		w.Acquire = func() slots.Outcome {
			outcome := acquire()
			if outcome == slots.Acquired {
				order = append(order, hours)
			}
			return outcome
		}
		s.enter(t, w, slots.Waiting)
	}
	for _, hours := range []int{9, 8, 7, 6, 5} {
		at(hours)
	}
	s.Hold(9, true)
	at(1)
	of.Limit(1)
	s.Hold(9, true)
	at(7)
	for range 4 {
		s.release(of)
	}
	of.Limit(0)
	s.Hold(9, false)
	check.Equal(t, s.Length(), 3)
	for range 3 {
		s.release(of)
	}
	check.Equal(t, fmt.Sprint(order), "[1 5 6 7 9 8 7]")
	check.Equal(t, s.Length(), 0)
}
