package runtime

import (
	"bufio"
	"maps"
	"net"
	"net/http"
	"sync"
	"time"
)

// detachedWriter is the ResponseWriter of a handler that may run on after its 504, when
// the writer that it wraps must not be used.
type detachedWriter struct {
	header http.Header // of the handler

	mu   sync.Mutex // held during each write
	w    http.ResponseWriter
	left bool // deadlines guards it too
	// begun reports whether the handler has written, which sends the header.
	begun bool

	deadlines sync.Mutex // held while one is set: another goroutine of the handler may write
}

func newDetachedWriter(w http.ResponseWriter) *detachedWriter {
	d := &detachedWriter{w: w, header: w.Header().Clone()}
	if d.header == nil {
		d.header = http.Header{}
	}
	return d
}

// begin gives the writer the header, before the status or the first part of the body.
// Later, middleware may have changed it.
func (d *detachedWriter) begin() {
	if !d.begun {
		d.begun = true
		d.copyHeader()
	}
}

// end gives the writer the trailers, or the header of a handler that has written nothing.
func (d *detachedWriter) end() {
	if d.begun {
		copyTrailers(d.w.Header(), d.header)
		return
	}
	d.copyHeader()
}

// copyHeader gives the handler's header to the writer.
func (d *detachedWriter) copyHeader() {
	header := d.w.Header()
	clear(header)
	maps.Copy(header, d.header)
}

// leave takes the writer away from the handler if claim returns true.
func (d *detachedWriter) leave(claim func() bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.deadlines.Lock()
	defer d.deadlines.Unlock()
	d.left = claim()
	return d.left
}

func (d *detachedWriter) do(f func() error) error { return d.under(&d.mu, f) }

func (d *detachedWriter) under(lock *sync.Mutex, f func() error) error {
	lock.Lock()
	defer lock.Unlock()
	if d.left {
		return http.ErrHandlerTimeout
	}
	return f()
}

func (d *detachedWriter) Header() http.Header { return d.header }

func (d *detachedWriter) WriteHeader(status int) {
	_ = d.do(func() error {
		if status < 200 && status != http.StatusSwitchingProtocols {
			d.copyHeader()
		} else {
			d.begin()
		}
		d.w.WriteHeader(status)
		return nil
	})
}

func (d *detachedWriter) Write(p []byte) (n int, err error) {
	err = d.do(func() error {
		d.begin()
		n, err = d.w.Write(p)
		return err
	})
	return n, err
}

func (d *detachedWriter) Flush() { _ = d.FlushError() }

// FlushError and the methods below are those of http.ResponseController.
func (d *detachedWriter) FlushError() error {
	return d.do(func() error {
		d.begin()
		return http.NewResponseController(d.w).Flush()
	})
}

func (d *detachedWriter) Hijack() (conn net.Conn, buffered *bufio.ReadWriter, err error) {
	err = d.do(func() error { conn, buffered, err = http.NewResponseController(d.w).Hijack(); return err })
	return conn, buffered, err
}

func (d *detachedWriter) SetReadDeadline(deadline time.Time) error {
	return d.under(&d.deadlines, func() error { return http.NewResponseController(d.w).SetReadDeadline(deadline) })
}

func (d *detachedWriter) SetWriteDeadline(deadline time.Time) error {
	return d.under(&d.deadlines, func() error { return http.NewResponseController(d.w).SetWriteDeadline(deadline) })
}

func (d *detachedWriter) EnableFullDuplex() error {
	return d.do(http.NewResponseController(d.w).EnableFullDuplex)
}
