// Package alarm calls a function at a deadline that is rarely reached.
package alarm

import (
	"sync"
	"time"
)

// Alarm calls Expire of what it watches if that is not done by its deadline. The
// zero Alarm is ready to use, and can be used again and again.
//
// An Alarm lets its timer run on after Done, and when the timer fires, looks whether a
// deadline has been reached. That takes half the time of a timer that is reset and
// stopped for each request (BenchmarkAlarm), and a timer that fires late cannot call a
// later watch.
type Alarm struct {
	mu       sync.Mutex
	timer    *time.Timer
	fires    time.Time // when the timer fires; zero: it does not run
	deadline time.Time
	watched  Expirer // nil: nothing
}

// Expirer is what an Alarm watches. Expire is called in a goroutine of its own.
type Expirer interface{ Expire() }

// Watch calls e.Expire at the deadline, unless Done is called before.
func (a *Alarm) Watch(e Expirer, deadline time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.watched, a.deadline = e, deadline
	if a.fires.IsZero() || a.fires.After(deadline) {
		a.start()
	}
}

// Done ends the watch. A call of Expire that has begun continues.
func (a *Alarm) Done() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.watched = nil
}

// start makes the timer fire at the deadline. a is locked.
func (a *Alarm) start() {
	a.fires = a.deadline
	if wait := time.Until(a.deadline); a.timer == nil {
		a.timer = time.AfterFunc(wait, a.fire)
	} else {
		a.timer.Reset(wait)
	}
}

func (a *Alarm) fire() {
	a.mu.Lock()
	a.fires = time.Time{}
	e := a.watched
	if e != nil && time.Now().Before(a.deadline) { // the timer was set for an earlier watch
		a.start()
		e = nil
	}
	if e != nil {
		a.watched = nil
	}
	a.mu.Unlock()
	if e != nil {
		e.Expire()
	}
}
