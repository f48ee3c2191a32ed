package main

import (
	"context"
	"net/http"
	"slices"
	"time"
)

// enters says whether a request of a kind reaches a handler, and so the log and the metrics.
type enters int

const (
	always enters = iota
	maybe         // the moment at which the client leaves decides, or net/http's own rules
	never
)

// kind is a sort of request: a fault of the function, of the client, or none.
type kind struct {
	name    string
	weight  int
	act     func(*actor) outcome
	seen    []int // statuses that its client may see
	lost    []int // statuses that may be counted if the client saw no whole response
	mayLose bool  // its client may see no response
	mayCut  bool  // its client may see a part of a response
	enters  enters
	halfway bool // its client may be counted as one that left, because it has ended its side
	adds    int  // 1 and more: it is hostile input, which adds at most so many label sets of request_total
}

// left are the statuses of a request whose client left: those of client_closed, or the status
// of a response that was sent before the server could notice.
var left = []int{http.StatusOK, 499, http.StatusBadRequest, http.StatusRequestTimeout}

var (
	fine      = []int{http.StatusOK}
	internal  = []int{http.StatusInternalServerError}
	late      = []int{http.StatusGatewayTimeout}
	invalid   = []int{http.StatusBadRequest}
	handshake = []int{http.StatusSwitchingProtocols, http.StatusServiceUnavailable} // 503 while a server drains
	tooLarge  = []int{http.StatusRequestEntityTooLarge}
)

// allKinds returns the table of faults.
func allKinds() []kind {
	return slices.Concat(functionKinds(), mountKinds(), batchKinds(), streamKinds(), leavingKinds(), slowKinds(), bodyKinds(), hostileKinds(), wireKinds())
}

// functionKinds are faults of functions whose client behaves.
func functionKinds() []kind {
	plain := func(fault string, size int) func(*actor) outcome {
		return func(a *actor) outcome { return a.post(a.either(), a.path("/plain"), a.order(fault, 0, size)) }
	}
	slow := func(fault string, ms int) func(*actor) outcome {
		return func(a *actor) outcome { return a.post(a.either(), a.path("/slow"), a.order(fault, ms, 0)) }
	}
	return []kind{
		{name: "echo", weight: 300, act: plain("", 10), seen: fine},
		{name: "big response", weight: 10, act: plain("", 100_000), seen: fine},
		{name: "handler error", weight: 30, act: plain("error", 0), seen: internal},
		{name: "handler refuses", weight: 30, act: plain("refuse", 0), seen: []int{http.StatusUnprocessableEntity}},
		{name: "panic", weight: 20, act: plain("panic", 0), seen: internal},
		{name: "Goexit", weight: 20, act: plain("goexit", 0), seen: internal},
		{name: "ErrAbortHandler", weight: 20, act: plain("abort", 0), seen: internal},
		{name: "slow in time", weight: 5, act: slow("slow", 5), seen: slices.Concat(fine, late)},
		{name: "slow", weight: 10, act: slow("slow", 10_000), seen: late},
		{name: "deaf to its context", weight: 10, act: slow("deaf", 3000), seen: late},
		{name: "file", weight: 20, act: (*actor).file, seen: []int{http.StatusOK, http.StatusPartialContent, http.StatusRequestedRangeNotSatisfiable}},
		{name: "upload", weight: 20, act: (*actor).upload, seen: fine},
	}
}

// mountKinds are faults of a mounted handler and of sockets.
func mountKinds() []kind {
	mounted := func(fault string) func(*actor) outcome {
		return func(a *actor) outcome { return a.post(a.either(), a.path("/app")+"?fault="+fault, "") }
	}
	return []kind{
		{name: "mount", weight: 20, act: mounted(""), seen: fine},
		{name: "mount with early hints", weight: 5, act: mounted("hints"), seen: fine},
		{name: "mount error", weight: 5, act: mounted("error"), seen: []int{http.StatusTeapot}},
		{name: "mount panic", weight: 10, act: mounted("panic"), seen: internal},
		{name: "mount Goexit", weight: 10, act: mounted("goexit"), seen: internal},
		{name: "mount ErrAbortHandler", weight: 10, act: mounted("abort"), lost: internal, mayLose: true},
		{name: "mount cut after a part", weight: 10, act: mounted("part"), lost: internal, mayLose: true, mayCut: true},
		{name: "labels of any bytes", weight: 10, act: (*actor).anyLabel, seen: fine},
		{name: "socket", weight: 10, act: (*actor).socket, seen: handshake},
		{name: "socket panic", weight: 5, act: (*actor).socketPanic, seen: handshake},
		{name: "socket dropped", weight: 5, act: (*actor).socketDropped, seen: handshake},
	}
}

// batchKinds are items. Faults of the whole batch hit its other requests too.
func batchKinds() []kind {
	good := func(a *actor) outcome { return a.items("/batch", "", 1+a.rand.IntN(5)) }
	poison := func(a *actor) outcome { return a.items("/batch", "poison", 1+a.rand.IntN(3)) }
	mad := func(fault string) func(*actor) outcome {
		return func(a *actor) outcome { return a.items("/mad", fault, 1) }
	}
	hit := []int{http.StatusOK, http.StatusInternalServerError, http.StatusServiceUnavailable, http.StatusGatewayTimeout}
	return []kind{
		{name: "batch", weight: 60, act: good, seen: fine},
		{name: "batch poison item", weight: 20, act: poison, seen: []int{http.StatusUnprocessableEntity}},
		{name: "batch beside faults", weight: 10, act: mad(""), seen: hit},
		{name: "batch returns too few", weight: 5, act: mad("few"), seen: hit[1:]},
		{name: "batch returns too many", weight: 5, act: mad("many"), seen: hit[1:]},
		{name: "batch panic", weight: 5, act: mad("panic"), seen: hit[1:]},
		{name: "batch Goexit", weight: 5, act: mad("goexit"), seen: hit[1:]},
		{name: "batch hangs", weight: 3, act: mad("hang"), seen: hit[1:]},
	}
}

// streamKinds are streams that end well, or are cut on either side.
func streamKinds() []kind {
	stream := func(fault string, ms, size int) func(*actor) outcome {
		return func(a *actor) outcome { return a.chunks("/stream", fault, ms, size) }
	}
	events := func(a *actor) outcome { return a.chunks("/events", "", 1, 5) }
	return []kind{
		{name: "stream", weight: 20, act: stream("", 1, 5), seen: fine},
		{name: "events", weight: 10, act: events, seen: fine},
		{name: "stream fails before it begins", weight: 5, act: stream("error", 0, 1), seen: internal},
		{name: "stream fails", weight: 10, act: stream("error", 0, 3), lost: fine, mayCut: true},
		{name: "stream panic", weight: 5, act: stream("panic", 0, 3), lost: fine, mayCut: true},
		{name: "stream Goexit", weight: 5, act: stream("goexit", 0, 3), lost: fine, mayCut: true},
		{name: "stream cut by the client", weight: 10, act: (*actor).leaveStream, lost: left, mayLose: true, mayCut: true},
	}
}

// leavingKinds are clients that leave.
func leavingKinds() []kind {
	return []kind{
		{name: "reset before the body", weight: 10, act: (*actor).resetBefore, lost: left, mayLose: true, enters: maybe},
		{name: "reset during the body", weight: 10, act: (*actor).resetDuring, lost: left, mayLose: true, enters: maybe},
		{name: "reset after the body", weight: 20, act: (*actor).resetAfter, lost: left, mayLose: true, enters: maybe},
		{name: "cancelled", weight: 20, act: (*actor).cancelled, seen: fine, lost: left, mayLose: true, mayCut: true, enters: maybe},
		{name: "upload cut", weight: 10, act: (*actor).cutUpload, lost: left, mayLose: true, enters: maybe},
	}
}

// slowKinds are slow clients, within the limits and beyond them.
func slowKinds() []kind {
	return []kind{
		{name: "slow header", weight: 3, act: (*actor).slowHeader, seen: fine},
		{name: "header never ends", weight: 1, act: (*actor).endlessHeader, mayLose: true, enters: never},
		{name: "slow body", weight: 3, act: (*actor).slowBody, seen: fine},
		{name: "body never ends", weight: 1, act: (*actor).endlessBody, seen: []int{http.StatusRequestTimeout}},
		{name: "slow reader", weight: 2, act: (*actor).slowReader, seen: fine},
		{name: "reader that never reads", weight: 1, act: (*actor).neverReads, seen: fine, lost: left, mayCut: true, mayLose: true},
	}
}

// resetBefore leaves after the head.
func (a *actor) resetBefore() outcome { return a.leave(a.head(a.path("/plain"), 100, "")) }

// resetDuring leaves within the body.
func (a *actor) resetDuring() outcome {
	body := a.order("", 0, 10)
	return a.leave(a.head(a.path("/plain"), len(body), "") + body[:1+a.rand.IntN(len(body)-1)])
}

// resetAfter leaves while the function runs.
func (a *actor) resetAfter() outcome {
	body := a.order("slow", a.rand.IntN(20), 10)
	return a.leave(a.head(a.path("/plain"), len(body), "") + body)
}

// leave sends a text, and resets the connection at once or a little later.
func (a *actor) leave(text string) outcome {
	conn, err := a.dial()
	if err != nil {
		return outcome{err: err}
	}
	if _, err := conn.Write([]byte(text)); err == nil && a.rand.IntN(2) == 0 {
		a.pause(3)
	}
	return reset(conn)
}

// cancelled gives up its request, on HTTP/2 with a reset of the stream.
func (a *actor) cancelled() outcome {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(a.rand.IntN(8000))*time.Microsecond)
	defer cancel()
	return a.sendText(ctx, a.either(), a.path("/plain"), a.order("slow", a.rand.IntN(8), 10))
}
