package runtime

import (
	"net/http"

	"github.com/ekiben-serving/ekiben/runtime/internal/conns"
)

// origin is where a request came from.
type origin struct {
	conn *conns.Conn // nil: the request came through a server that the user built
	// inline reports whether a response can be written and flushed while the
	// function runs, see timeout.go.
	inline bool
}

// serveOwn is the handler of the app's own server.
func (a *App) serveOwn(w http.ResponseWriter, r *http.Request) {
	conn := conns.Of(r.Context())
	conn.Handling()
	if a.life.draining.Load() {
		w.Header()["Connection"] = []string{"close"}
	}
	a.serve(w, r, origin{conn: conn, inline: r.ProtoMajor == 1})
}

// serveForeign is the handler for a server or mux that the user built.
func (a *App) serveForeign(w http.ResponseWriter, r *http.Request) {
	a.serve(w, r, origin{inline: flushesPast(w, r)})
}

// flushesPast reports whether a response can be flushed on a user's server while the
// function runs: on HTTP/1, with a writer that implements Flush itself. Any
// other writer may keep the response until the handler returns.
func flushesPast(w http.ResponseWriter, r *http.Request) bool {
	if _, ok := w.(http.Flusher); !ok || r.ProtoMajor != 1 {
		return false
	}
	_, served := r.Context().Value(http.ServerContextKey).(*http.Server) // false in a test without a server
	return served
}
