package runtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
)

// respond writes the response: the error, or the result in s if err is nil.
func (c *call) respond(s *scratch, err error) {
	header := c.w.Header()
	status := http.StatusOK
	if err == nil {
		status, err = c.prepare(header)
	}
	if err != nil {
		header["Server"] = c.api.header.server
		c.respondError(err)
		return
	}
	if s.serverTiming != "" {
		header["Server-Timing"] = []string{s.serverTiming}
	}
	if s.contentType != "" {
		header["Content-Type"] = []string{s.contentType}
	}
	if s.file != nil && hasBody(status) {
		if err := c.sendFile(*s.file, status); err != nil {
			if kept, ok := c.w.(interface{ restart() }); ok { // nothing of it was sent
				kept.restart()
			}
			c.respondError(err)
		}
		return
	}
	s.body.Hold(int64(s.out.Len()))
	if s.out.Len() > smallBody && hasBody(status) {
		header["Content-Length"] = []string{strconv.Itoa(s.out.Len())}
	}
	if status != http.StatusOK {
		c.w.WriteHeader(status)
	}
	if status != http.StatusResetContent { // for 204 and 304, net/http does not send it
		_, _ = c.w.Write(s.out.Bytes())
	}
}

// prepare sets the header of a successful response and returns its status.
func (c *call) prepare(header http.Header) (status int, err error) {
	header["Server"] = c.api.header.server
	header["Content-Type"] = c.api.header.contentType
	return c.response.writeTo(header)
}

// hasBody reports whether the result is sent with a status.
func hasBody(status int) bool {
	return status != http.StatusNoContent && status != http.StatusResetContent && status != http.StatusNotModified
}

// smallBody is the length in bytes up to which net/http computes Content-Length
// itself, which is cheaper than to set it here.
const smallBody = 2048

// cutOff is the error in the log if the response cannot become an error any more.
const cutOff = "connection closed: the response had begun when the function failed: %w"

func (c *call) respondError(err error) {
	header := c.w.Header()
	response, masked := responseTo(err)
	begun, before := c.x.sent()
	cut := begun && behind(c.w) == c.x // middleware has begun the response: it cannot become an error
	if cut {
		err = fmt.Errorf(cutOff, err)
	}
	level, loud := slog.LevelWarn, true
	switch {
	case response.timeout != nil:
		if response.timeout == c.api {
			delete(header, "Server") // as in BentoML, whose 504 has no Server
		}
	case errors.Is(err, context.Canceled) && c.x.request.Context().Err() != nil: // the client hung up
		loud = false
	case masked && response.Status == http.StatusInternalServerError:
		level = slog.LevelError
	case masked, cut, c.ctx.called(err) != nil && (response.Status == http.StatusTooManyRequests || response.Status >= 500): // the function chose the status, or a service that it calls
	default:
		loud = false
	}
	if loud && (cut || !begun) { // else it is logged below, with whether the response was cut
		c.log(level, err)
	}
	if cut {
		c.x.breakOff(response.Status)
		return
	}
	c.response.writeErrorTo(header, response.Status, response.timeout != nil || masked && response.Status == http.StatusInternalServerError)
	if c.r.ProtoMajor == 1 && (err == errNoResult || response.unread && c.r.ContentLength != 0) { //nolint:errorlint // ours
		// The connection ends with its goroutine, or has a body that nobody reads: net/http
		// would wait for the rest of it before it responds.
		header["Connection"] = []string{"close"}
	}
	if lost := writeError(c.w, response); lost != nil {
		c.log(slog.LevelWarn, fmt.Errorf("the Detail of a runtime.Error was not sent: %w", lost))
	}
	if _, after := c.x.sent(); begun && after > before { // through a writer without Unwrap
		c.log(level, fmt.Errorf(cutOff, err))
		c.x.breakOff(response.Status)
	} else if loud && begun {
		c.log(level, err)
	}
}

// log logs why a request failed.
func (c *call) log(level slog.Level, err error) {
	attrs := c.api.failure(err)
	if c.task != "" {
		attrs = append(attrs, slog.String("task", c.task))
	}
	if called := c.ctx.called(err); called != nil {
		attrs = append(attrs, slog.String("called", called.service.name+"/"+called.name))
	}
	c.api.service.app.log.failed(c.x.request.Context(), level, c.x.id[0], attrs...)
}
