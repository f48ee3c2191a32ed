package prometheus

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// stalled is a client that does not read. If it supports deadlines, a write fails
// after its deadline.
type stalled struct {
	httptest.ResponseRecorder
	heeds bool
	past  chan struct{}
	err   error
}

func (s *stalled) Write([]byte) (int, error) {
	<-s.past
	s.err = errors.New("i/o timeout")
	return 0, s.err
}

func (s *stalled) SetWriteDeadline(at time.Time) error {
	if s.heeds && at.Before(time.Now()) && !at.IsZero() {
		close(s.past)
	}
	return nil
}

func (o *observed) stall(t *testing.T, heeds bool) *stalled {
	s := &stalled{heeds: heeds, past: make(chan struct{})}
	go o.ServeHTTP(s, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody))
	synctest.Wait()
	return s
}

// Slow readers delay no other scrape while their responses fit into maxUnread. If
// they do not fit, the oldest one is cut off after minReading.
func TestSlowReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newObserved(t, func(context.Context, int64) error { return nil })
		o.shared.store.limit = 3 * chunk
		var slow []*stalled
		for range 4 {
			slow = append(slow, o.stall(t, true))
			time.Sleep(time.Second)
		}
		began := time.Now() // the oldest response is 4 s old
		same(t, "beside slow readers", (<-o.scrape(t.Context(), "", "")).Body.String(), depth(5))
		if got := time.Since(began); got != time.Second {
			t.Errorf("waited %s, want 1s", got)
		}
		for i, s := range slow {
			if cut := s.err != nil; cut != (i == 0) {
				t.Errorf("slow reader %d: cut off is %t", i, cut)
			}
		}
		for _, s := range slow[1:] {
			close(s.past)
		}
		synctest.Wait()
		if s := &o.shared.store; len(s.live) != 0 || s.unread != 0 {
			t.Errorf("%d responses are live, %d bytes unread", len(s.live), s.unread)
		}
	})
}

// If readers cannot be cut off, other scrapes get a 503, and memory does not grow.
func TestReadersThatCannotBeCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newObserved(t, func(context.Context, int64) error { return nil })
		o.shared.store.limit = 1
		slow := o.stall(t, false)
		w := <-o.scrape(t.Context(), "", "")
		same(t, "body", w.Body.String(), "exporters/prometheus: collect: the scrape waited too long: clients hold too many responses that they have not read (waited 9.5s)\n")
		waiting := o.scrape(t.Context(), "", "")
		close(slow.past)
		same(t, "body", (<-waiting).Body.String(), depth(2))
	})
}
