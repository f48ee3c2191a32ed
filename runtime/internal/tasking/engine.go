// Package tasking runs stored tasks: it claims them, keeps their leases, stores their
// results, and deletes old ones. It knows stores and functions, and neither HTTP nor
// apps.
package tasking

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ekiben-serving/ekiben/tasks"
)

// API is a function whose tasks an engine runs.
type API struct {
	// Name is that of the tasks: "Kinds/slowly".
	Name string
	// Free reports whether Acquire would probably succeed.
	Free func() bool
	// Acquire takes a slot. Run releases it.
	Acquire func() bool
	// Run runs the function and returns its response. It returns after ctx has ended.
	Run func(ctx context.Context, run *tasks.Run) tasks.Result
	// Observe is told what happens; nil fields are left out.
	Observe Observer
}

// Observer is told what happens to the tasks of an API.
type Observer struct {
	// Ended is called when a task ends. ran is the time of its last run; 0: it did not run.
	Ended func(status tasks.Status, ran time.Duration)
	// Retaken is called when a task is claimed whose last run did not end.
	Retaken func()
	// Counted is called with new numbers of the store.
	Counted func(stats tasks.Stats)
}

// Settings are the settings of an engine.
type Settings struct {
	Store    tasks.Store
	APIs     []API
	Logger   *slog.Logger
	Workers  int           // tasks that run at once
	Attempts int           // runs that may die, before the task fails
	Lease    time.Duration // how long a task belongs to a process that does not answer
	Poll     time.Duration // between looks into the store
	Limits   tasks.Limits
	// MaxPending is how many tasks may wait and run. 0: any number.
	MaxPending int
	// FailedResult is the result of a task that the engine fails, with a text for its client.
	FailedResult func(text string) tasks.Result
}

// Engine runs the tasks of one app.
type Engine struct {
	set    Settings
	worker string

	wake   chan struct{} // a task was submitted, or a worker is free
	runs   context.Context
	cancel context.CancelCauseFunc // ends all runs
	life   context.Context         // of the engine's own goroutines
	end    context.CancelFunc
	claims sync.WaitGroup // the goroutine that claims
	own    sync.WaitGroup // the engine's other goroutines
	active sync.WaitGroup // the runs, which claims begins

	claiming sync.Mutex // held from a claim until its run is in running

	mu       sync.Mutex
	running  map[string]*running // by id
	doubt    time.Time           // until then, the store may give this process runs that it does not know
	begun    bool
	draining bool
	away     string    // the use of the store that failed, until it succeeds; "": none
	told     time.Time // when the log said that last
	stats    map[string]tasks.Stats
	hints    map[string]bool // APIs of which a task waits, as far as is known
	prepared atomic.Bool
}

// running is a run in this process.
type running struct {
	run    *tasks.Run
	api    *API
	cancel context.CancelCauseFunc
}

// Why a run is ended from outside.
var (
	errCancelled = errors.New("the task was cancelled")
	errLost      = errors.New("another process runs the task, because this one could not extend its lease")
	errReleased  = errors.New("the process ends; another one runs the task again")
)

// storeTimeout limits each use of the store.
const storeTimeout = 10 * time.Second

// New returns an engine that does nothing before Start.
func New(set Settings) *Engine {
	e := &Engine{set: set, worker: NewID(), wake: make(chan struct{}, 1), running: map[string]*running{}, stats: map[string]tasks.Stats{}, hints: map[string]bool{}}
	e.runs, e.cancel = context.WithCancelCause(context.Background())
	e.life, e.end = context.WithCancel(context.Background())
	return e
}

// NewID returns 128 random bits as 32 hexadecimal digits, as BentoML's ids have them.
func NewID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:])
}

// Start prepares the store. A store that is away is no error: the engine waits for it.
func (e *Engine) Start(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	err := e.set.Store.Prepare(limited)
	switch {
	case err == nil:
		e.prepared.Store(true)
		_ = e.refresh(ctx) // so that the first scrape has the numbers
	case errors.Is(err, tasks.ErrUnavailable):
		e.reached("prepare", err)
	default:
		return err
	}
	e.own.Go(e.watch)
	return nil
}

// Begin begins to run tasks, once, unless the engine drains.
func (e *Engine) Begin() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.draining && !e.begun {
		e.begun = true
		e.claims.Go(e.claimUntilDrained)
	}
}

// prepare prepares the store if it was away at the start.
func (e *Engine) prepare() error {
	if e.prepared.Load() {
		return nil
	}
	err := e.use(e.life, "prepare", e.set.Store.Prepare)
	e.prepared.Store(err == nil)
	return err
}

// use calls the store within a time limit, and logs when it goes away and comes back. An
// error that is none of those of package tasks becomes [tasks.ErrUnavailable].
func (e *Engine) use(ctx context.Context, what string, call func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	err := call(limited)
	for _, known := range []error{nil, tasks.ErrNotFound, tasks.ErrEnded, tasks.ErrKeyReused, tasks.ErrLost} {
		if errors.Is(err, known) {
			e.reached(what, nil)
			return err
		}
	}
	if ctx.Err() != nil { // the caller left
		return err
	}
	e.reached(what, err)
	if !errors.Is(err, tasks.ErrUnavailable) {
		err = fmt.Errorf("%w: %w", tasks.ErrUnavailable, err)
	}
	return err
}

// repeatAfter is how long the log does not repeat that the store is away.
const repeatAfter = time.Minute

// reached logs when the store goes away and comes back. It is back when the use succeeds
// that failed: on a full disk, reads still succeed.
func (e *Engine) reached(what string, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case err == nil && e.away == what:
		e.away = ""
		e.set.Logger.Info("the store of the tasks works again")
	case err != nil && (e.away == "" || time.Since(e.told) >= repeatAfter):
		e.away, e.told = what, time.Now()
		e.set.Logger.Error("the store of the tasks is away; requests of tasks get a 503 until it is back", "use", what, "error", err)
	}
}

// poke makes the engine look into the store now.
func (e *Engine) poke() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

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
	if e.prepare() != nil {
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
			case !all && !e.hinted(api.Name):
				none[api.Name] = true
				continue
			case !api.Free():
				none[api.Name] = true
				if e.hinted(api.Name) {
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
	e.claiming.Lock()
	defer e.claiming.Unlock()
	e.hint(api.Name, false) // before the claim: what is submitted later gives a new hint
	var run *tasks.Run
	err := e.use(e.life, "claim", func(ctx context.Context) (err error) {
		run, err = e.set.Store.Claim(ctx, api.Name, e.worker, e.set.Lease)
		return err
	})
	if err != nil {
		e.doubts()
	}
	if err != nil || run == nil {
		return false
	}
	e.hint(api.Name, true) // there may be more
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

// hinted reports whether a task of an API probably waits.
func (e *Engine) hinted(api string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.hints[api]
}

func (e *Engine) hint(api string, waits bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.hints[api] = waits
}

// count changes what the engine knows of the store's numbers until it reads them again.
func (e *Engine) count(api string, change func(*tasks.Stats)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.stats[api]
	change(&s)
	e.stats[api] = s
}

// begin runs a claimed task in its own goroutine.
func (e *Engine) begin(api *API, run *tasks.Run) {
	if run.Deaths > 0 && api.Observe.Retaken != nil {
		api.Observe.Retaken()
	}
	ctx, cancel := context.WithCancelCause(e.runs)
	one := &running{run, api, cancel}
	e.mu.Lock()
	e.running[run.ID] = one
	e.mu.Unlock()
	e.active.Go(func() {
		defer e.poke()
		defer cancel(nil)
		e.process(ctx, one)
		e.mu.Lock()
		if e.running[run.ID] == one { // else it lost its lease, and this process has claimed the task again
			delete(e.running, run.ID)
		}
		e.mu.Unlock()
	})
}

// process runs a task and stores what became of it.
func (e *Engine) process(ctx context.Context, one *running) {
	run := one.run
	if run.Deaths >= e.set.Attempts {
		e.set.Logger.Error("task failed: the processes that ran it were killed", "task", run.ID, "api", run.API, "killed", run.Deaths)
		e.finish(one, tasks.Failed, e.set.FailedResult(fmt.Sprintf("The task was given up: %d processes ended while they ran it", run.Deaths)), 0)
		return
	}
	if !one.api.Acquire() { // another request took the slot after Free
		e.release(context.Background(), run)
		return
	}
	start := time.Now()
	result := one.api.Run(ctx, run)
	ran := time.Since(start)
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errCancelled):
		return // the store knows it
	case errors.Is(cause, errReleased) && result.Status >= 400: // probably because its context ended
		e.release(context.Background(), run)
		return
	}
	status := tasks.Completed
	if result.Status >= 400 {
		status = tasks.Failed
	}
	e.finish(one, status, result, ran)
}

// mostStored is the size of the largest body that every store can keep: SQLite's limit is
// 10⁹ bytes, PostgreSQL's 2³⁰.
const mostStored = 900 << 20

// finish stores a result, and tries again while the store is away.
func (e *Engine) finish(one *running, status tasks.Status, result tasks.Result, ran time.Duration) {
	run := one.run
	if len(result.Body) > mostStored {
		e.set.Logger.Error("task failed: its result is too large to be stored", "task", run.ID, "api", run.API, "bytes", len(result.Body), "most", mostStored)
		status, result = tasks.Failed, e.set.FailedResult("The result is too large to be stored")
	}
	for {
		err := e.use(e.life, "finish", func(ctx context.Context) error { return e.set.Store.Finish(ctx, run, status, result) })
		switch {
		case err == nil:
			e.count(run.API, func(s *tasks.Stats) {
				s.Running, s.Ended, s.Bytes = max(0, s.Running-1), s.Ended+1, s.Bytes+int64(len(result.Body))
			})
			if one.api.Observe.Ended != nil {
				one.api.Observe.Ended(status, ran)
			}
			return
		case errors.Is(err, tasks.ErrLost):
			e.set.Logger.Warn("the result of a task is dropped: the task was cancelled, or another process runs it", "task", run.ID, "api", run.API)
			return
		}
		select {
		case <-time.After(e.set.Poll):
		case <-e.life.Done():
			e.set.Logger.Error("the result of a task could not be stored; the task runs again after its lease", "task", run.ID, "api", run.API, "error", err)
			return
		}
	}
}

// release gives a task back to the store. If that fails, its lease expires.
func (e *Engine) release(ctx context.Context, run *tasks.Run) {
	err := e.use(ctx, "release", func(ctx context.Context) error { return e.set.Store.Release(ctx, run) })
	if err != nil && !errors.Is(err, tasks.ErrLost) {
		e.doubts()
		e.set.Logger.Warn("a task could not be given back; it is given back later, or another process runs it after its lease", "task", run.ID, "api", run.API, "error", err)
		return
	}
	e.count(run.API, func(s *tasks.Stats) { s.Running, s.Waiting = max(0, s.Running-1), s.Waiting+1 })
}

// The times between two looks at all of the store's tasks.
const (
	countEvery = 5 * time.Second
	sweepEvery = 15 * time.Second
)

// watch extends the leases of this process, notices what was cancelled elsewhere, reads
// the numbers of the store, and deletes old tasks.
func (e *Engine) watch() {
	ticker := time.NewTicker(min(e.set.Poll, e.set.Lease/3))
	defer ticker.Stop()
	var counted, swept time.Time
	for {
		if e.prepared.Load() {
			e.extend()
			if time.Since(counted) >= countEvery {
				counted = time.Now()
				_ = e.refresh(e.life) // use logs the error
			}
			if time.Since(swept) >= sweepEvery {
				swept = time.Now()
				e.sweep()
			}
		}
		select {
		case <-ticker.C:
		case <-e.life.Done():
			return
		}
	}
}

// extend extends the leases, and ends the runs that this process does not hold any more.
func (e *Engine) extend() {
	quiet := e.claiming.TryLock() // else the store may have a run that is about to begin here
	if quiet {
		defer e.claiming.Unlock()
	}
	e.mu.Lock()
	doubt := time.Now().Before(e.doubt)
	mine := make([]*running, 0, len(e.running))
	for _, one := range e.running {
		mine = append(mine, one)
	}
	e.mu.Unlock()
	if len(mine) == 0 && !doubt {
		return
	}
	var held []tasks.Held
	err := e.use(e.life, "extend", func(ctx context.Context) (err error) {
		held, err = e.set.Store.Extend(ctx, e.worker, e.set.Lease)
		return err
	})
	if err != nil {
		return
	}
	claims := map[string]int{}
	for _, one := range held {
		claims[one.ID] = one.Claims
	}
	if quiet {
		e.giveBack(held, mine)
	}
	for _, one := range mine {
		if claims[one.run.ID] == one.run.Claims {
			continue
		}
		rec, err := e.Get(e.life, one.run.API, one.run.ID)
		switch {
		case errors.Is(err, tasks.ErrNotFound), err == nil && rec.Status == tasks.Cancelled:
			one.cancel(errCancelled)
		case err == nil && !rec.Status.Ended(): // else it has just ended here
			one.cancel(errLost)
		}
	}
}

// giveBack gives back what the store holds for this process and this process does not run:
// a claim or a release whose answer was lost. Its lease would be extended for ever.
func (e *Engine) giveBack(held []tasks.Held, mine []*running) {
	for _, one := range held {
		if slices.ContainsFunc(mine, func(known *running) bool { return known.run.ID == one.ID }) {
			continue
		}
		run := &tasks.Run{Record: tasks.Record{ID: one.ID}, Worker: e.worker, Claims: one.Claims}
		err := e.use(e.life, "release", func(ctx context.Context) error { return e.set.Store.Release(ctx, run) })
		if err == nil {
			e.set.Logger.Warn("a task that nobody ran was given back: the store's answer to its claim or its release was lost", "task", one.ID)
		}
	}
}

// refresh reads the numbers of the store.
func (e *Engine) refresh(ctx context.Context) error {
	var stats map[string]tasks.Stats
	err := e.use(ctx, "stats", func(ctx context.Context) (err error) {
		stats, err = e.set.Store.Stats(ctx)
		return err
	})
	if err != nil {
		return err
	}
	e.mu.Lock()
	e.stats = stats
	e.mu.Unlock()
	for _, api := range e.set.APIs {
		if api.Observe.Counted != nil {
			api.Observe.Counted(stats[api.Name])
		}
		if stats[api.Name].Waiting > 0 {
			e.hint(api.Name, true)
			e.poke()
		}
	}
	return nil
}

// sweep deletes ended tasks that are too old or too many.
func (e *Engine) sweep() {
	for {
		var swept int
		err := e.use(e.life, "sweep", func(ctx context.Context) (err error) {
			swept, err = e.set.Store.Sweep(ctx, e.set.Limits)
			return err
		})
		if err != nil || swept == 0 {
			return
		}
	}
}
