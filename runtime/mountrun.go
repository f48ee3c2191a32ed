package runtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/internal/sockethost"
	"github.com/ekiben-serving/ekiben/runtime/internal/static"
)

// ServeHTTP calls the mounted handler within the limits of its service.
func (m *mount) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := m.limits.callOf(w, r)
	x := c.x
	stripped := m.strip(r.URL)
	if stripped == nil { // middleware has changed the path
		static.NotFound(w, r)
		return
	}
	most := m.service.app.conf.Now().HTTP.MaxBodySize
	if most > 0 && r.ContentLength > most {
		c.respond(nil, unread(tooLarge(most)))
		return
	}
	if err := c.admitMounted(); err != nil {
		if refused, ok := err.(*Error); ok { //nolint:errorlint // ours
			err = unread(refused)
		}
		c.respond(nil, err)
		return
	}
	if w == http.ResponseWriter(x) {
		x.ownHeader() // the timeout may respond while the handler writes to the header
	}
	x.keepArrived()
	c.before = x.middlewareHeader()
	run := &mounting{mount: m, call: c, ctx: sockethost.With(context.WithValue(r.Context(), exchangeKey{}, x), hosted{x})}
	if at, said := c.callerDeadline(); said {
		limited, cancel := context.WithDeadline(run.ctx, at)
		defer cancel()
		run.ctx = limited
	}
	run.timeout = m.limits.timeoutInForce()
	if run.timeout == 0 {
		defer run.release()
		m.handler.ServeHTTP(w, run.request(w, stripped, most))
		return
	}
	run.ctx, run.cancel = context.WithCancelCause(run.ctx)
	defer run.cancel(nil)
	if x.from.inline {
		run.inline(stripped, most)
	} else {
		run.detached(stripped, most)
	}
}

// mounting is one run of a mounted handler.
type mounting struct {
	*call
	mount   *mount
	ctx     context.Context
	cancel  context.CancelCauseFunc
	timeout time.Duration   // to the beginning of the response; 0: none
	kept    *detachedWriter // for inline, around the writer of middleware; nil: there is none
}

// release gives the slots back when the handler has returned. Its time counts for the adaptive
// limit, unless it has sent its response in parts or taken over the connection: a stream or a
// socket lasts as long as its client wants.
func (m *mounting) release() { m.mount.limits.release(m.permit, !m.x.out.inParts.Load()) }

// request returns the request as the handler sees it.
func (m *mounting) request(w http.ResponseWriter, stripped *url.URL, most int64) *http.Request {
	r := m.r.WithContext(m.ctx)
	r.URL = stripped
	if most > 0 && r.Body != nil && r.Body != http.NoBody {
		r.Body = http.MaxBytesReader(w, r.Body, most)
	}
	return r
}

// inline runs the handler on this goroutine. A timer sends the 504 while it runs.
func (m *mounting) inline(stripped *url.URL, most int64) {
	w := m.w
	if w != http.ResponseWriter(m.x) {
		m.kept = newDetachedWriter(w)
		w = m.kept
	}
	s := m.x.app.scratches.get()
	s.alarm.Watch(m, m.x.start.Add(m.timeout))
	defer func() {
		s.alarm.Done()
		s.put()
		m.release()
		if late := m.ended(); m.kept != nil && !late {
			m.kept.end()
		}
	}()
	m.mount.handler.ServeHTTP(w, m.request(w, stripped, most))
}

// ended says that the handler has returned. The timeout does not respond any more, or its
// 504 has been written.
func (m *mounting) ended() (late bool) {
	if m.claim() {
		return false
	}
	m.x.app.telemetry.Counts.Overdue.Add(-1)
	return true
}

// Expire sends the 504 from the timer's goroutine, unless the response has begun. The
// middleware sees it, as that of an API.
func (m *mounting) Expire() {
	err := m.api.timeoutError(m.timeout)
	if m.kept == nil {
		m.expireAlone(err)
		return
	}
	if m.kept.leave(m.claimLate) {
		defer close(m.late)
		m.cancel(err)
		m.x.app.telemetry.Counts.Overdue.Add(1)
		m.sendTimeout(err)
	}
}

// expireAlone is Expire without middleware: the handler may be writing to the exchange.
func (m *mounting) expireAlone(err *Error) {
	if !m.write504(err) {
		return
	}
	defer close(m.late)
	m.cancel(err)
	m.log(slog.LevelWarn, err)
	m.sentTimeout()
}

// write504 writes the 504, unless the response has begun. Later, the handler's
// changes of the header and what it writes are dropped.
func (m *mounting) write504(err *Error) bool {
	x := m.x
	body, _ := err.body()
	x.out.mu.Lock()
	defer x.out.mu.Unlock()
	if !m.unanswered() {
		return false
	}
	m.claimed, m.late = true, make(chan struct{})
	x.out.expiring, x.out.timeout, x.header = m.late, len(body), m.before
	x.limitExpireWrite()
	x.begin(err.Status)
	x.ResponseWriter.WriteHeader(err.Status)
	_, _ = x.send(body)
	x.app.telemetry.Counts.Overdue.Add(1)
	return true
}

// detached runs the handler in its own goroutine and returns at the deadline, unless the
// response has begun.
func (m *mounting) detached(stripped *url.URL, most int64) {
	w := newDetachedWriter(m.w)
	err := errNoResult // stays if the handler calls runtime.Goexit
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				err = &panicError{value: p, stack: debug.Stack()}
			}
			m.release()
			if m.ended() && err != nil {
				m.log(slog.LevelError, fmt.Errorf("after its timeout: %w", err))
			}
		}()
		m.mount.handler.ServeHTTP(w, m.request(w, stripped, most))
		err = nil
	}()
	timer := time.NewTimer(time.Until(m.x.start.Add(m.timeout)))
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		if w.leave(m.claimLate) {
			defer close(m.late)
			timeout := m.api.timeoutError(m.timeout)
			m.cancel(timeout)
			m.x.app.telemetry.Counts.Overdue.Add(1)
			m.respond(nil, timeout)
			return
		}
		<-done
	}
	w.end()
	panicked := (*panicError)(nil)
	switch {
	case err == nil:
	case errors.As(err, &panicked) && isAbort(panicked):
		panic(http.ErrAbortHandler) //nolint:forbidigo // middleware compares it
	case errors.As(err, &panicked):
		panic(panicked) //nolint:forbidigo // exchange.end recovers it, and middleware may
	default:
		m.respond(nil, err)
	}
}
