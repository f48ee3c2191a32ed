package runtime

import (
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime/internal/slots"
)

// A task that finds no slot of its service has held the one of its API meanwhile. A request that
// waits for this one is asked again.
func TestTaskHoldsInVain(t *testing.T) {
	app := New("Tasks")
	a := newAPI(app.Service, "work", nil)
	app.slots.Limit(1)
	app.queue.Hold(1, false)
	check.Equal(t, a.acquire(), true)
	held := true
	waits := &slots.Waiter{Endpoint: &a.slots, Acquire: func() slots.Outcome {
		if held {
			return slots.OwnTaken
		}
		return slots.Acquired
	}}
	app.queue.Enter(waits)
	held = false
	check.Equal(t, a.acquire(), false)
	select {
	case <-waits.Ready():
	default:
		t.Error("the request still waits")
	}
}
