package runtime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/internal/wire"
)

// scratch is what a request needs and the next one can use again. Nothing of
// it is visible to user code.
type scratch struct {
	body   bytes.Buffer
	out    bytes.Buffer
	timing string // Server-Timing, where it is asked for
	alarm  *alarm
}

var scratches = sync.Pool{New: func() any { return &scratch{} }}

// maxKept bounds the buffers that are kept: one request of 100 MB must not
// leave that much behind for each slot.
const maxKept = 1 << 20

func (s *scratch) put() {
	s.timing = ""
	if s.body.Cap() > maxKept || s.out.Cap() > maxKept {
		return
	}
	s.body.Reset()
	s.out.Reset()
	scratches.Put(s)
}

// alarm is a timer that is used again. It is dropped as soon as it has gone
// off: its goroutine may still be on the way, and must not find the next
// request.
type alarm struct {
	timer *time.Timer
	x     *exchange
}

func (s *scratch) arm(x *exchange, after time.Duration) {
	if s.alarm == nil {
		a := &alarm{x: x}
		a.timer = time.AfterFunc(after, func() { a.x.expire() })
		s.alarm = a
		return
	}
	s.alarm.x = x
	s.alarm.timer.Reset(after)
}

func (s *scratch) disarm() {
	if !s.alarm.timer.Stop() {
		s.alarm = nil
		return
	}
	s.alarm.x = nil
}

// ServeHTTP is the innermost stage: method, limit, timeout, and the function.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header()["Allow"] = []string{http.MethodPost}
		writePlain(w, http.StatusMethodNotAllowed, "Method Not Allowed")
		return
	}
	if !a.service.limits.acquire() {
		a.answer(r.Context(), w, nil, errTooManyRequests)
		return
	}
	x, ours := w.(*exchange)
	switch timeout := a.service.limits.timeout(); {
	case timeout == 0:
		a.untimed(w, r)
	case ours && x.inline:
		a.inline(x, r, timeout)
	default:
		a.detached(w, r, timeout)
	}
}

func (a *api) untimed(w http.ResponseWriter, r *http.Request) {
	s := scratches.Get().(*scratch)
	defer s.put()
	ctx := &deadlineCtx{parent: r.Context()}
	err := errNoResult // if the function ends its goroutine
	defer func() {
		ctx.end()
		a.answer(r.Context(), w, s, err)
	}()
	err = a.work(ctx, r, s, 0)
}

// inline runs the function on the connection's goroutine, with a timer that
// answers past it.
func (a *api) inline(x *exchange, r *http.Request, timeout time.Duration) {
	s := scratches.Get().(*scratch)
	defer s.put()
	x.api, x.ctx.parent, x.ctx.deadline = a, r.Context(), x.start.Add(timeout)
	remaining := timeout
	if len(a.service.middleware) > 0 { // which may have taken some of it
		remaining = time.Until(x.ctx.deadline)
	}
	s.arm(x, remaining)
	err := errNoResult // if the function ends its goroutine
	defer func() {
		x.ctx.end()
		s.disarm()
		if x.decide() {
			a.answer(r.Context(), x, s, err)
			return
		}
		a.service.bound.Load().overdue(-1)
		a.logLate(r.Context(), x.Header(), err)
	}()
	err = a.work(&x.ctx, r, s, timeout)
}

// detached runs the function on a goroutine of its own: the writer is somebody
// else's (a middleware that compresses, HTTP/2), where only returning ends the
// answer.
func (a *api) detached(w http.ResponseWriter, r *http.Request, timeout time.Duration) {
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	s := scratches.Get().(*scratch)
	rt := a.service.bound.Load()
	done := make(chan error, 1)
	var claim sync.Mutex // who goes on with s: the answer, or the function that is late
	late := false
	var answered http.Header // when late
	go func() {
		err := errNoResult // if the function ends this goroutine
		defer func() {
			claim.Lock()
			defer claim.Unlock()
			if late {
				rt.overdue(-1)
				a.logLate(ctx, answered, err)
				return
			}
			done <- err
		}()
		err = a.work(ctx, r, s, timeout)
	}()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case err := <-done:
		a.answer(r.Context(), w, s, err)
		s.put()
	case <-timer.C:
		claim.Lock()
		defer claim.Unlock()
		select {
		case err := <-done:
			a.answer(r.Context(), w, s, err)
			s.put()
		default:
			late = true
			rt.overdue(1)
			a.answer(r.Context(), w, nil, a.timeoutError(timeout))
			answered = w.Header().Clone() // which others write to once this returns
		}
	}
}

// work reads the body and runs the function, and gives the slot back whatever
// happens. A panic becomes an error.
func (a *api) work(ctx context.Context, r *http.Request, s *scratch, timeout time.Duration) (err error) {
	defer a.service.limits.release()
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{value: p, stack: debug.Stack()}
		}
	}()
	if err := a.service.bound.Load().readBody(r, &s.body); err != nil {
		return err
	}
	err = a.codec.serve(ctx, s)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == context.DeadlineExceeded {
		// The function noticed its deadline before the timer did.
		return a.timeoutError(timeout)
	}
	return err
}

// answer writes the result in s, or err.
func (a *api) answer(ctx context.Context, w http.ResponseWriter, s *scratch, err error) {
	header := w.Header()
	header["Server"] = a.server
	a.service.bound.Load().identify(ctx, header)
	if err != nil {
		e, masked := answerOf(err)
		if e.timeout == a { // BentoML answers it outside of what names the server
			delete(header, "Server")
		}
		if hungUp := errors.Is(err, context.Canceled) && ctx.Err() != nil; masked && !hungUp {
			a.service.bound.Load().logFailure(ctx, header, a, err)
		}
		if err == errNoResult { //nolint:errorlint // ours; the connection ends with its goroutine
			header["Connection"] = []string{"close"}
		}
		writeError(w, e)
		return
	}
	header["Content-Type"] = a.resultType
	if s.timing != "" {
		header["Server-Timing"] = []string{s.timing}
	}
	if s.out.Len() > smallAnswer {
		header["Content-Length"] = []string{strconv.Itoa(s.out.Len())}
	}
	_, _ = w.Write(s.out.Bytes())
}

// smallAnswer is up to where net/http computes Content-Length by itself,
// cheaper than a header made here.
const smallAnswer = 2048

// logLate logs how a function failed whose client has long had its 504, unless
// the timeout is all that there is to say.
func (a *api) logLate(ctx context.Context, answer http.Header, err error) {
	var timeout *Error
	passed := errors.As(err, &timeout) && timeout.timeout != nil
	if err != nil && !passed && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
		a.service.bound.Load().logFailure(ctx, answer, a, fmt.Errorf("after its timeout: %w", err))
	}
}

// firstRead is how much is made room for at once, whatever length a client
// claims.
const firstRead = 64 << 10

// readBody reads the whole body into buf, or says why it may not.
func (rt *Runtime) readBody(r *http.Request, buf *bytes.Buffer) error {
	limit := rt.cfg().HTTP.MaxBodySize
	if limit > 0 && r.ContentLength > limit {
		return tooLarge(limit)
	}
	if err := checkContent(r.Header); err != nil {
		return err
	}
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	if r.ContentLength > 0 {
		buf.Grow(int(min(r.ContentLength, firstRead)) + bytes.MinRead)
	}
	var from io.Reader = r.Body
	if limit > 0 && r.ContentLength < 0 {
		from = io.LimitReader(from, limit+1)
	}
	if _, err := buf.ReadFrom(from); err != nil {
		return &Error{Status: http.StatusBadRequest, Message: "The request body ended early: " + err.Error(), Err: err}
	}
	if limit > 0 && int64(buf.Len()) > limit {
		return tooLarge(limit)
	}
	if isForm(r.Header, buf.Bytes()) {
		return errForm
	}
	return nil
}

func tooLarge(limit int64) *Error {
	return Errorf(http.StatusRequestEntityTooLarge, "The request body must be at most %d bytes", limit)
}

// checkContent refuses bodies that cannot be the JSON an API takes, before they
// are read. A body labelled as a form is not refused here: that is how curl -d
// labels JSON.
func checkContent(header http.Header) error {
	if encoding := header["Content-Encoding"]; len(encoding) > 0 && encoding[0] != "identity" {
		return Errorf(http.StatusUnsupportedMediaType, "The request body must not be compressed, found Content-Encoding: %s", encoding[0])
	}
	if isType(header, "multipart/form-data") {
		return errForm
	}
	return nil
}

var errForm = Errorf(http.StatusUnsupportedMediaType, "The request body must be one JSON object, found a form")

// isForm reports a body that is labelled as a form and looks like one. A body
// with any other label, or none, is read as JSON, as BentoML reads it.
func isForm(header http.Header, body []byte) bool {
	return len(body) > 0 && !strings.ContainsRune("{[\" \t\r\n", rune(body[0])) &&
		isType(header, "application/x-www-form-urlencoded")
}

// isType compares the media type without its parameters.
func isType(header http.Header, want string) bool {
	types := header["Content-Type"]
	return len(types) > 0 && len(types[0]) >= len(want) && strings.EqualFold(types[0][:len(want)], want)
}

// asInvalid turns the violations of an input into their 400.
func asInvalid(err error) (*Error, bool) {
	var invalid *wire.Invalid
	if !errors.As(err, &invalid) {
		return nil, false
	}
	return &Error{Status: http.StatusBadRequest, Message: invalid.Error(), Detail: invalid.Violations}, true
}

// panicError is a panic of user code, on its way to the log.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }
