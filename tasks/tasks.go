// Package tasks describes tasks and the stores that keep them. A task is one run of a
// function that was declared with runtime.HandleTask: its request is stored, a process
// runs it later, and its result is stored until it expires.
//
// A program imports the store that it uses, for its side effect:
//
//	import _ "github.com/ekiben-serving/ekiben/tasks/sqlite"
//
// Any other store is given to runtime.WithTaskStore. Package tasks/sqlite keeps tasks in a
// file, tasks/postgres in a PostgreSQL database that several replicas share. The keys below
// tasks in the configuration choose one. Read on: docs/tasks.md.
package tasks

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// Status is the state of a task.
type Status string

// The states. The HTTP routes call the first two in_progress, as BentoML does.
const (
	Waiting   Status = "waiting" // for a process that runs it
	Running   Status = "running"
	Completed Status = "completed" // the function returned a result
	Failed    Status = "failed"    // its response has a status of 400 or more, as in BentoML, or it killed too many processes
	Cancelled Status = "cancelled"
)

// Ended reports whether a task in this state never runs again.
func (s Status) Ended() bool { return s == Completed || s == Failed || s == Cancelled }

// Record is what is known of a task, without its request and result.
type Record struct {
	// ID is 32 hexadecimal digits, which cannot be guessed.
	ID string
	// API is the service and the name of the function: "Kinds/slowly".
	API    string
	Status Status
	// Created is when the task was submitted.
	Created time.Time
	// Started is when its latest run began. Zero: it never ran, or was given back.
	Started time.Time
	// Ended is when it completed, failed or was cancelled. Zero: it has not ended.
	Ended time.Time
}

// Request is the request that submitted a task.
type Request struct {
	// Path is the path of the function, without the prefix: "/slowly".
	Path string
	// Header has what the body needs to be read, such as Content-Type.
	Header http.Header
	Body   []byte
}

// Result is the response of a function.
type Result struct {
	Status int
	Header http.Header
	Body   []byte
}

// Submission is a new task.
type Submission struct {
	ID, API string
	Request Request
	// Key makes Submit idempotent: of all submissions of an API with one key, the first
	// one makes a task. "": each makes one.
	Key string
	// Digest is a hash of the request, which tells whether a second submission with the
	// same key is the same.
	Digest []byte
}

// Run is one run of a task, by the worker that claimed it.
type Run struct {
	Record

	Request Request
	// Worker is the process that runs the task.
	Worker string
	// Claims counts the runs of the task, this one included. Together with Worker it
	// proves that a result belongs to the latest run.
	Claims int
	// Deaths counts the runs that ended without a result because their lease expired: the
	// process was killed, or lost the store.
	Deaths int
	// Retaken reports whether this claim took the task from such a process.
	Retaken bool
}

// Held names a run that a worker holds.
type Held struct {
	ID     string
	Claims int
}

// Stats has the numbers of the stored tasks of one API.
type Stats struct {
	Waiting, Running, Ended int
	// Oldest is when the task was submitted that waits longest. Zero: none waits.
	Oldest time.Time
	// Bytes is the size of requests and results, and Pending the part of it that belongs to
	// tasks that have not ended.
	Bytes, Pending int64
}

// Add counts tasks that have one status. oldest is when the first of them was submitted.
func (s *Stats) Add(status Status, count int, bytes int64, oldest time.Time) {
	s.Bytes += bytes
	switch status {
	case Waiting:
		s.Waiting, s.Oldest = s.Waiting+count, oldest
	case Running:
		s.Running += count
	default:
		s.Ended += count
		return
	}
	s.Pending += bytes
}

// Limits says which ended tasks a store deletes.
type Limits struct {
	// TTL is how long an ended task is kept.
	TTL time.Duration
	// MaxEnded is how many ended tasks are kept. 0: any number.
	MaxEnded int
	// MaxBytes is the size of all tasks above which the oldest ended ones are deleted. 0: any.
	MaxBytes int64
}

// Store keeps tasks. Its methods are safe for concurrent use, also by several
// processes. Every error that is none of the errors of this package means that the
// store is away: the caller tries again later.
type Store interface {
	// Prepare makes the tables, or migrates them from an older version. It is called
	// before all other methods, and again after it returned ErrUnavailable. Any other
	// error is final, such as a file that is no database.
	Prepare(ctx context.Context) error

	// Submit stores a task. If a task of the API has the key already, Submit stores
	// nothing and returns that task, or ErrKeyReused if its digest differs.
	Submit(ctx context.Context, s Submission) (Record, error)

	// Submitted returns the task that has the key of a submission, ErrNotFound, or
	// ErrKeyReused if its digest differs.
	Submitted(ctx context.Context, s Submission) (Record, error)

	// Claim returns the oldest task of the API that waits, or that another worker holds by a
	// lease that has expired. It belongs to the worker for the time of the lease. If there
	// is none, Claim returns nil.
	Claim(ctx context.Context, api, worker string, lease time.Duration) (*Run, error)

	// Extend begins the leases of all tasks of the worker anew, and returns them.
	Extend(ctx context.Context, worker string, lease time.Duration) ([]Held, error)

	// Finish ends a task with its result. ErrLost: the run does not hold it any more.
	Finish(ctx context.Context, run *Run, status Status, result Result) error

	// Release gives a task back: it waits again, and the run does not count as a death.
	// ErrLost: the run does not hold it any more.
	Release(ctx context.Context, run *Run) error

	// Get returns a task, or ErrNotFound.
	Get(ctx context.Context, api, id string) (Record, error)

	// Request returns the request of a task, or ErrNotFound.
	Request(ctx context.Context, api, id string) (Record, Request, error)

	// Result returns a task, and its result if it has one, or ErrNotFound.
	Result(ctx context.Context, api, id string) (Record, Result, error)

	// Cancel ends a task that has not ended. It returns ErrNotFound, or ErrEnded with
	// the task that had ended before.
	Cancel(ctx context.Context, api, id string) (Record, error)

	// Stats returns the numbers of all tasks, by API.
	Stats(ctx context.Context) (map[string]Stats, error)

	// Sweep deletes ended tasks and returns how many. It may leave some for the next call.
	Sweep(ctx context.Context, limits Limits) (int, error)

	// Close closes the store. What is stored stays.
	Close() error
}

// The errors of a [Store], to be compared with errors.Is.
var (
	ErrNotFound    = errors.New("no such task")
	ErrEnded       = errors.New("the task has ended")
	ErrKeyReused   = errors.New("the idempotency key belongs to a task with another request")
	ErrLost        = errors.New("the task was cancelled, or another process runs it")
	ErrUnavailable = errors.New("the store of the tasks cannot be used now")
)

// The errors of runtime.TaskAPI that no store returns.
var (
	ErrNotEnded  = errors.New("the task has not ended")
	ErrCancelled = errors.New("the task was cancelled")
	ErrFull      = errors.New("the store of the tasks is full")
	ErrTooLarge  = errors.New("the store of the tasks does not take a request of this size")
)
