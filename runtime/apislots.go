package runtime

import (
	"github.com/ekiben-serving/ekiben/runtime/internal/slots"
)

// take takes a slot of the API and one of the service. The API's is first, so that a
// request that its API refuses takes no slot of the service, which others need. If the service
// has none, take gives the slot of the API back, and returns SharedTaken. Another request may have
// wanted that slot meanwhile. So after SharedTaken the caller must call Released of the queue, or enter
// the queue.
func (a *api) take() slots.Outcome {
	if !a.slots.Acquire() {
		return slots.OwnTaken
	}
	if !a.service.slots.Acquire() {
		a.slots.Release()
		return slots.SharedTaken
	}
	return slots.Acquired
}

// acquire is take for what does not wait in the queue.
func (a *api) acquire() bool {
	outcome := a.take()
	if outcome == slots.SharedTaken {
		a.service.queue.Released()
	}
	return outcome == slots.Acquired
}

// free reports whether acquire would succeed just now.
func (a *api) free() bool { return a.slots.Free() && a.service.slots.Free() }

// permitted is take within the adaptive limit too.
func (a *api) permitted() (slots.Permit, slots.Outcome) {
	if outcome := a.take(); outcome != slots.Acquired {
		return slots.Permit{}, outcome
	}
	permit, ok := a.service.limit.Acquire()
	if !ok {
		a.slots.Release()
		a.service.slots.Release()
		return permit, slots.SharedTaken
	}
	return permit, slots.Acquired
}

// release gives the slots back. served says whether the function ran to its end.
func (a *api) release(permit slots.Permit, served bool) {
	permit.Release(served)
	a.slots.Release()
	a.service.slots.Release()
	a.service.queue.Released()
}
