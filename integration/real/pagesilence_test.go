package real

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
)

// TestPageOfASilentServer has a server that takes requests and answers none, for
// a while.
func TestPageOfASilentServer(t *testing.T) {
	var silent atomic.Bool
	proxy := proxyTo(t, served(t, shouter(), nil))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if silent.Load() {
			<-r.Context().Done()
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	b := browse(t, server.URL+"/")
	eventually(t, "a second reading", func() bool { return b.number(`past.time.length`) > 1 })
	silent.Store(true)
	eventually(t, "the state", func() bool {
		return b.text(`[$('state').textContent, $('state').className]`) == "the server does not answer; the numbers are old,bad"
	})
	silent.Store(false)
	eventually(t, "the next reading", func() bool { return b.text(`[$('state').textContent, past.all.at(-1)]`) == "live,0" })
}
