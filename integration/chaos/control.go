package main

import (
	"encoding/json"
	"net/http"
	"os"
	goruntime "runtime"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	"github.com/ekiben-serving/ekiben/runtime"
)

// vitals is what the child tells of itself.
type vitals struct {
	Goroutines int    `json:"goroutines"`
	Files      int    `json:"files"`
	Heap       uint64 `json:"heap"`
	Items      int64  `json:"items"`
	Now        int64  `json:"now"`
}

// childFiles is the variable with the most open files of a child. "": the system's limit.
const childFiles = "CHAOS_FILES"

func limitFiles() error {
	most, err := strconv.ParseUint(os.Getenv(childFiles), 10, 64)
	if err != nil {
		return nil //nolint:nilerr // no limit
	}
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: most, Max: most})
}

// control is a listener apart from the app, for the parent.
func (v *victim) control(app *runtime.App) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /vitals", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(v.vitals()) })
	mux.HandleFunc("GET /stacks", func(w http.ResponseWriter, _ *http.Request) {
		stacks := make([]byte, 1<<20)
		_, _ = w.Write(stacks[:goruntime.Stack(stacks, true)])
	})
	mux.HandleFunc("POST /reload", func(w http.ResponseWriter, _ *http.Request) {
		if err := app.Reload(); err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
		}
	})
	return mux
}

// vitals counts after a garbage collection, without the connection that asks.
func (v *victim) vitals() vitals {
	goruntime.GC()
	debug.FreeOSMemory()
	var memory goruntime.MemStats
	goruntime.ReadMemStats(&memory)
	files, _ := os.ReadDir("/proc/self/fd") // none where there is no /proc
	return vitals{Goroutines: goruntime.NumGoroutine(), Files: len(files), Heap: memory.HeapAlloc, Items: v.items.Load(), Now: time.Now().Unix()}
}
