package runtime

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
)

// respond writes the result in s, or err.
func (a *api) respond(w http.ResponseWriter, x *exchange, s *scratch, err error) {
	header := w.Header()
	header["Server"] = a.header.server
	if err != nil {
		a.respondError(w, x, err)
		return
	}
	header["Content-Type"] = a.header.contentType
	if s.timing != "" {
		header["Server-Timing"] = []string{s.timing}
	}
	status := x.response.writeTo(header)
	if s.out.Len() > smallBody && status != http.StatusNoContent && status != http.StatusNotModified {
		header["Content-Length"] = []string{strconv.Itoa(s.out.Len())}
	}
	if status != http.StatusOK {
		w.WriteHeader(status)
	}
	_, _ = w.Write(s.out.Bytes())
}

// smallBody is the length up to which net/http computes Content-Length by
// itself, cheaper than a header made here.
const smallBody = 2048

func (a *api) respondError(w http.ResponseWriter, x *exchange, err error) {
	header := w.Header()
	response, masked := responseTo(err)
	x.response.writeTo(header)
	switch {
	case response.timeout:
		delete(header, "Server") // BentoML sends its 504 without
		a.log(x, slog.LevelWarn, err)
	case errors.Is(err, context.Canceled) && x.request.Context().Err() != nil: // the client hung up
	case masked && response.Status == http.StatusInternalServerError:
		a.log(x, slog.LevelError, err)
	case masked: // the function chose the status
		a.log(x, slog.LevelWarn, err)
	}
	if err == errNoResult { //nolint:errorlint // ours; the connection ends with its goroutine
		header["Connection"] = []string{"close"}
	}
	writeError(w, response)
}

// log logs why a request of the API failed.
func (a *api) log(x *exchange, level slog.Level, err error) {
	attrs := []slog.Attr{slog.String("service", a.service.name), slog.String("api", a.name), slog.Any("error", inFull(err))}
	if p := (*panicError)(nil); errors.As(err, &p) {
		attrs = append(attrs, slog.String("stack", string(p.stack)))
	}
	a.service.app.log.failed(x.request.Context(), level, x.ID(), attrs...)
}
