package runtime

import (
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/internal/auth"
	"github.com/ekiben-serving/ekiben/runtime/internal/perclient"
	"github.com/ekiben-serving/ekiben/runtime/internal/settings"
	"github.com/ekiben-serving/ekiben/runtime/internal/telemetry"
)

// Before the handler of a route is called, its request must be within the limits of its client,
// and have a token or a password. The limits come first: they also bound how often a client can
// try passwords. Preflights of http.cors end before both.

// guards is what requests must pass, if anything.
type guards struct {
	limits  perclient.Limits
	clients *perclient.Table
	checker *auth.Checker // nil: everybody may pass
}

// guard applies the configuration to the guards. Clients that are known stay known.
func (a *App) guard(cfg *settings.InForce) {
	limit, old := cfg.Traffic.PerClient, a.guards.Load()
	g := &guards{limits: perclient.Limits{Concurrency: limit.MaxConcurrency, Rate: limit.Rate, Burst: limit.Burst}}
	if old == nil {
		g.clients, g.checker = &perclient.Table{}, auth.New(cfg.HTTP.Auth, a.name, nil)
	} else {
		g.clients, g.checker = old.clients, auth.New(cfg.HTTP.Auth, a.name, old.checker)
	}
	if old == nil && g.checker == nil && limit.MaxConcurrency == 0 && limit.Rate == 0 {
		return // most apps have none
	}
	a.guards.Store(g)
}

// guarded calls next if a request passes the guards, and else responds.
func (a *App) guarded(w http.ResponseWriter, r *http.Request, g *guards, next http.Handler) {
	x := a.exchangeOf(w, r)
	leave, after := g.clients.Enter(r.RemoteAddr, g.limits, time.Now())
	if leave == nil {
		asker{exchange: x}.refused(a.Service, telemetry.RefusedClient)
		refused := tooManyRequests()
		refused.RetryAfter = after
		a.refuse(w, r, refused)
		return
	}
	defer x.leaveClient(leave)()
	if g.checker != nil {
		if err := g.checker.Check(r.Context(), r); err != nil {
			asker{exchange: x}.refused(a.Service, telemetry.RefusedAuth)
			a.refuse(w, r, notAllowed(w.Header(), g.checker, err))
			return
		}
	}
	next.ServeHTTP(w, r)
}

// notAllowed returns the response to a request that err of the checker refuses, and sets its header.
func notAllowed(header http.Header, checker *auth.Checker, err error) *Error {
	if errors.Is(err, auth.ErrBusy) {
		refused := tooManyRequests()
		refused.RetryAfter = time.Second
		return refused
	}
	header["Www-Authenticate"] = checker.Challenge()
	return &Error{Status: http.StatusUnauthorized, Message: "Unauthorized"}
}

// leaveClient returns a function that calls leave once. The end of the request calls it too: the
// function of a request may run on after its 504.
func (x *exchange) leaveClient(leave func()) func() {
	once := sync.OnceFunc(leave)
	x.out.mu.Lock()
	x.out.leave = once
	x.out.mu.Unlock()
	return once
}

// refuse responds to a request whose body is not read.
func (a *App) refuse(w http.ResponseWriter, r *http.Request, err *Error) {
	if r.ProtoMajor == 1 && r.ContentLength != 0 && !a.exchangeOf(w, r).mayLeaveUnread(err.Status) {
		w.Header()["Connection"] = []string{"close"} // else net/http waits for the body
	}
	_ = writeError(w, err)
}
