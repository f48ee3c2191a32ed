// Package tasking runs stored tasks: it claims them, keeps their leases, stores their
// results, and deletes old ones. It knows stores and functions, and neither HTTP nor
// apps.
package tasking

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"sync"
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
	// Retaken is called when a task is taken from a process that has gone, to run again.
	Retaken func()
	// Counted is called with new numbers: those of the store, or with what this process has
	// done since they were read.
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
	store  *access
	known  numbers
	worker string

	wake     chan struct{} // a task was submitted, or a worker is free
	claiming turn          // held from a claim until its run is in running
	contexts
	goroutines

	mu       sync.Mutex
	running  map[string]*running // by id
	doubt    time.Time           // until then, the store may hold tasks for this process that it does not run
	begun    bool
	draining bool
}

// contexts are those of an engine's goroutines.
type contexts struct {
	runs   context.Context
	cancel context.CancelCauseFunc // ends all runs
	life   context.Context         // of the other goroutines
	end    context.CancelFunc
}

// goroutines are those of an engine.
type goroutines struct {
	claims sync.WaitGroup // the one that claims
	active sync.WaitGroup // the runs, which claims begins
	own    sync.WaitGroup // the others
}

// turn is a mutex that is held while the store is used. It is a channel, so that the fake
// time of a test goes on while somebody waits for it.
type turn chan struct{}

func (t turn) lock()   { t <- struct{}{} }
func (t turn) unlock() { <-t }

func (t turn) tryLock() bool {
	select {
	case t <- struct{}{}:
		return true
	default:
		return false
	}
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

// New returns an engine that does nothing before Start.
func New(set Settings) *Engine {
	e := &Engine{
		set: set, store: &access{Store: set.Store, logger: set.Logger}, known: numbers{stats: map[string]tasks.Stats{}, waits: map[string]bool{}},
		worker: NewID(), wake: make(chan struct{}, 1), claiming: make(turn, 1), running: map[string]*running{},
	}
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
	if err := e.store.start(ctx); err != nil {
		return err
	}
	if e.store.ready() == nil {
		_ = e.refresh(ctx) // so that the first scrape has the numbers
	}
	e.own.Go(e.keepLeases)
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

// poke makes the engine look into the store now.
func (e *Engine) poke() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}
