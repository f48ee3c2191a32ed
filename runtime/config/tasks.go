package config

import "time"

// Tasks is where tasks are kept and how they run, see docs/tasks.md:
//
//	tasks: {store: sqlite, path: /data/tasks.db, workers: 4}
//
// It has no effect in a program without runtime.HandleTask. A program links the store
// that it uses: it imports tasks/sqlite or tasks/postgres.
type Tasks struct {
	Store        string        `koanf:"store" oneof:"sqlite,postgres" doc:"Where tasks are kept. sqlite: in a file, for the processes of one machine; postgres: in a database, for several replicas."`
	Path         string        `koanf:"path" doc:"File of the store sqlite. A relative path begins at the working directory. It is made if it does not exist; its directory must exist and be writable."`
	DSN          Secret        `koanf:"dsn" doc:"Connection string of the store postgres, such as postgres://user:password@host/database."`
	Workers      int           `koanf:"workers" min:"1" doc:"Tasks that this process runs at the same time. max_concurrency limits them too, together with requests."`
	PollInterval time.Duration `koanf:"poll_interval" unit:"seconds" min:"0.01" doc:"Time between looks for tasks that other processes submitted or cancelled. Tasks of this process begin at once."`
	Lease        time.Duration `koanf:"lease" unit:"seconds" min:"1" doc:"A task whose process is gone runs again after this time. A running process extends its leases in time."`
	Attempts     int           `koanf:"attempts" min:"1" doc:"A task fails when the process that ran it has gone this many times."`
	ResultTTL    time.Duration `koanf:"result_ttl" unit:"seconds" min:"1" doc:"A task is deleted this long after its end, with its result."`
	MaxPending   int           `koanf:"max_pending" min:"0" doc:"Tasks that wait or run. The response to a submission of one more is 503. 0: no limit."`
	MaxEnded     int           `koanf:"max_ended" min:"0" doc:"Ended tasks that are kept. The oldest ones are deleted first. 0: no limit."`
	MaxBytes     int64         `koanf:"max_bytes" unit:"bytes" min:"0" doc:"Size of all requests and results. Above it, the oldest ended tasks are deleted, and a submission that finds no room gets a 503. 0: no limit."`
}

// defaultTasks keeps results for a day, as BentoML does.
func defaultTasks() Tasks {
	return Tasks{
		Store: "sqlite", Path: "tasks.db", Workers: 8, PollInterval: time.Second, Lease: 30 * time.Second, Attempts: 3,
		ResultTTL: 24 * time.Hour, MaxPending: 10_000, MaxEnded: 100_000, MaxBytes: 1 << 30,
	}
}

// tasks reports a store without its place.
func (p *problems) tasks(t Tasks) {
	if t.Store == "postgres" && t.DSN.IsZero() {
		p.add("tasks.dsn", "must be a connection string such as postgres://user:password@host/database, because tasks.store is postgres, found none")
	}
}
