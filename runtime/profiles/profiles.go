// Package profiles serves the profiles of a process over HTTP, for go tool pprof and go tool
// trace. A program that sets admin.profiles must import it, for its side effect:
//
//	import _ "github.com/ekiben-serving/ekiben/runtime/profiles"
//
// Package ekiben has this import. A program that links profiles samples its allocations, which
// costs a request about 0.4 % (docs/decisions/0025). net/http/pprof serves the same profiles, but
// its import also adds them to [http.DefaultServeMux], which a program may serve to everybody.
package profiles

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ekiben-serving/ekiben/internal/linked"
)

func init() { linked.Profiles.Register(handler()) }

// root is the path of the list of profiles, which are below it.
const root = "/debug/pprof/"

// handler serves the list of profiles, the profiles of runtime/pprof by name, a CPU profile
// as profile and an execution trace as trace. The command line is not served: it may hold
// secrets.
func handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+root+"{$}", list)
	mux.HandleFunc("GET "+root+"profile", recording(30*time.Second, pprof.StartCPUProfile, pprof.StopCPUProfile))
	mux.HandleFunc("GET "+root+"trace", recording(time.Second, trace.Start, trace.Stop))
	mux.HandleFunc("GET "+root+"{name}", named)
	return mux
}

func list(w http.ResponseWriter, _ *http.Request) {
	names := []string{"profile?seconds=30", "trace?seconds=1"}
	for _, one := range pprof.Profiles() {
		names = append(names, one.Name())
	}
	slices.Sort(names)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = fmt.Fprintln(w, strings.Join(names, "\n"))
}

// named serves a profile of runtime/pprof: for go tool pprof, or with debug=1 or 2 as text.
func named(w http.ResponseWriter, r *http.Request) {
	profile, debug := pprof.Lookup(r.PathValue("name")), 0
	if text := r.FormValue("debug"); text != "" {
		var err error
		if debug, err = strconv.Atoi(text); err != nil {
			http.Error(w, fmt.Sprintf("debug: must be 0, 1 or 2, found %q", text), http.StatusBadRequest)
			return
		}
	}
	switch {
	case profile == nil:
		http.Error(w, fmt.Sprintf("no such profile: %q", r.PathValue("name")), http.StatusNotFound)
		return
	case r.FormValue("seconds") != "":
		http.Error(w, "seconds: only profile and trace take it", http.StatusBadRequest)
		return
	case r.FormValue("gc") == "1" && profile.Name() == "heap":
		runtime.GC()
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	if debug > 0 {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	}
	_ = profile.WriteTo(w, debug) // the client has gone
}

// recording serves what is recorded for some seconds, or until the client has gone.
func recording(usual time.Duration, start func(io.Writer) error, stop func()) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		d := usual
		if text := r.FormValue("seconds"); text != "" {
			seconds, err := strconv.ParseFloat(text, 64)
			if err != nil || !(seconds > 0 && seconds <= longest.Seconds()) {
				http.Error(w, fmt.Sprintf("seconds: must be more than 0 and at most %.0f, found %q", longest.Seconds(), text), http.StatusBadRequest)
				return
			}
			d = time.Duration(seconds * float64(time.Second))
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		out := &shared{ResponseWriter: w}
		if err := start(out); err != nil { // one runs already
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		defer stop()
		out.flush() // the client sees that it has begun
		over := time.NewTimer(d)
		defer over.Stop()
		select {
		case <-over.C:
		case <-r.Context().Done():
		}
	}
}

// shared is a response that a recording writes from a goroutine of its own.
type shared struct {
	http.ResponseWriter

	mu sync.Mutex
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ResponseWriter.Write(p)
}

func (s *shared) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = http.NewResponseController(s.ResponseWriter).Flush()
}

// longest bounds a recording, which slows the process.
const longest = 10 * time.Minute
