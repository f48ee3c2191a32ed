package tasking

import (
	"context"
	"time"

	"github.com/ekiben-serving/ekiben/tasks"
)

// claimUntilDrained claims tasks until the engine drains.
func (e *Engine) claimUntilDrained() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	next := time.Now() // when the store is asked although nothing is known to wait
	for {
		select {
		case <-e.life.Done():
			return
		case <-e.wake:
		case <-timer.C:
		}
		all := !time.Now().Before(next)
		if all {
			next = time.Now().Add(e.set.Poll)
		}
		if e.isDraining() {
			return
		}
		timer.Reset(min(time.Until(next), e.claimAll(all)))
	}
}

func (e *Engine) isDraining() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.draining
}

// slotCheck is the time between looks for a free slot while a task waits for one.
const slotCheck = 10 * time.Millisecond

// claimAll claims tasks of each API in turn, as many as can run. all: also of APIs of
// which no task is known to wait. It returns the time to the next look.
func (e *Engine) claimAll(all bool) time.Duration {
	wait := time.Hour
	if e.store.prepare(e.life) != nil {
		return wait
	}
	none := map[string]bool{} // APIs of which no more can be claimed
	for len(none) < len(e.set.APIs) {
		for i := range e.set.APIs {
			api := &e.set.APIs[i]
			switch {
			case none[api.Name]:
				continue
			case !e.mayClaim():
				return wait // a run that ends wakes the loop
			case !all && !e.known.hinted(api.Name):
				none[api.Name] = true
				continue
			case !api.Free():
				none[api.Name] = true
				if e.known.hinted(api.Name) {
					wait = slotCheck
				}
				continue
			}
			if !e.claim(api) {
				none[api.Name] = true
			}
		}
	}
	return wait
}

// claim claims a task and begins its run. It returns false if there is none.
func (e *Engine) claim(api *API) bool {
	e.claiming.lock()
	defer e.claiming.unlock()
	e.known.hint(api.Name, false) // before the claim: what is submitted later gives a new hint
	var run *tasks.Run
	err := e.store.use(e.life, "claim", func(ctx context.Context) (err error) {
		run, err = e.set.Store.Claim(ctx, api.Name, e.worker, e.set.Lease)
		return err
	})
	if err != nil {
		e.doubts()
	}
	if err != nil || run == nil {
		return false
	}
	e.known.hint(api.Name, true) // there may be more
	e.count(api.Name, func(s *tasks.Stats) { s.Waiting, s.Running = max(0, s.Waiting-1), s.Running+1 })
	e.begin(api, run)
	return true
}

// doubts remembers that a claim or a release failed, which the store may have done or
// may still do.
func (e *Engine) doubts() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.doubt = time.Now().Add(e.set.Lease + storeTimeout)
}

// mayClaim reports whether a worker is free.
func (e *Engine) mayClaim() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return !e.draining && len(e.running) < e.set.Workers
}
