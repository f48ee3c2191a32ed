package runtime

import (
	"io"
	"net/http"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/internal/body"
	"github.com/ekiben-serving/ekiben/runtime/internal/protocol"
	"github.com/ekiben-serving/ekiben/runtime/internal/telemetry"
)

// throughDoor lets a door of another protocol respond, by requests that serve takes. The body of
// a call counts for http.max_bodies, as those of the requests do.
func (a *App) throughDoor(w http.ResponseWriter, r *http.Request, door protocol.Door, from origin, serve func(http.ResponseWriter, *http.Request, origin)) {
	bounded, release := a.bodies.Bounded(r.Body)
	defer release()
	outer := r.WithContext(r.Context())
	outer.Body = &doorBody{bounded}
	from.inline, from.door = false, true
	door.Serve(w, outer, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serve(w, r, from) }))
}

// doorBody is the body of a call.
type doorBody struct{ io.ReadCloser }

func (b *doorBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && body.IsNoRoom(err) {
		err = protocol.ErrNoRoom
	}
	return n, err
}

// refuseCall responds to the request that a refused call becomes, and to any other request with the
// path of a door.
func (a *App) refuseCall(w http.ResponseWriter, r *http.Request) {
	why := protocol.FailureOf(r.Context())
	if why == nil {
		a.refuse(w, r, &Error{Status: http.StatusUnsupportedMediaType, Message: "A call must be POST over HTTP/2, with the content type application/grpc"})
		return
	}
	refused := &Error{Status: why.Status, Message: why.Message}
	if why.Err == protocol.ErrNoRoom { //nolint:errorlint // doorBody returns it as it is
		asker{exchange: a.exchangeOf(w, r)}.refused(a.Service, telemetry.RefusedMemory)
		refused.RetryAfter = time.Second
	}
	_ = writeError(w, refused)
}
