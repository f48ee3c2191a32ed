package openinferencegrpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"connectrpc.com/connect"

	"github.com/ekiben-serving/ekiben/runtime/internal/protocol"
)

// door serves the calls of a method.
type door struct {
	app     *protocol.App
	method  string // such as inference.GRPCInferenceService/ModelInfer
	handler http.Handler
}

// Enters reports whether a request is a call over gRPC.
func (d *door) Enters(r *http.Request) bool {
	kind := r.Header.Get("Content-Type")
	return r.ProtoMajor == 2 && r.Method == http.MethodPost && (kind == "application/grpc" || kind == "application/grpc+proto")
}

// Serve serves a call.
func (d *door) Serve(w http.ResponseWriter, r *http.Request, inner http.Handler) {
	begun := time.Now()
	c := &call{app: d.app, r: r, inner: inner, code: "OK"}
	body := &watched{from: r.Body}
	if d.app.MaxBody > 0 {
		body.from = http.MaxBytesReader(w, r.Body, d.app.MaxBody+prefixSize)
	}
	read := r.WithContext(context.WithValue(r.Context(), callKey{}, c))
	read.Header = r.Header.Clone() // connect changes it
	read.Body = body
	d.handler.ServeHTTP(&answering{w, c}, read)
	if c.answer == nil {
		err := c.refuse(d.why(w.Header(), body.err))
		clear(w.Header())
		_ = errorWriter.Write(w, r, err) // the client has left
	}
	d.app.Called(r, d.method, c.code, begun)
}

// prefixSize is the size of what is before a message, in bytes.
const prefixSize = 5

var errorWriter = connect.NewErrorWriter()

// why returns why a message was refused, from the trailers that it has caused and the error of its body.
func (d *door) why(header http.Header, failed error) *protocol.Failure {
	code, _ := strconv.Atoi(header.Get(http.TrailerPrefix + "Grpc-Status"))
	message, err := url.PathUnescape(header.Get(http.TrailerPrefix + "Grpc-Message"))
	if err != nil {
		message = "the message cannot be read"
	}
	failure := &protocol.Failure{Status: statusOf(connect.Code(code)), Message: message, Err: failed}
	switch {
	case errors.As(failed, new(*http.MaxBytesError)), connect.Code(code) == connect.CodeResourceExhausted:
		failure.Status, failure.Message = http.StatusRequestEntityTooLarge, fmt.Sprintf("The request body must be at most %d bytes", d.app.MaxBody)
	case errors.Is(failed, protocol.ErrNoRoom):
		failure.Status, failure.Message = http.StatusServiceUnavailable, "The server has no memory for the request body at the moment"
	case errors.Is(failed, os.ErrDeadlineExceeded):
		failure.Status, failure.Message = http.StatusRequestTimeout, "The request body stopped arriving"
	}
	return failure
}

// watched keeps the error of a body.
type watched struct {
	from io.ReadCloser
	err  error
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.from.Read(p)
	if err != nil && err != io.EOF {
		w.err = err
	}
	return n, err
}

func (w *watched) Close() error { return w.from.Close() }

// answering drops what is written before the app has responded to the call: it is the refusal of
// a message, which Serve makes a request of first.
type answering struct {
	http.ResponseWriter
	c *call
}

func (a *answering) WriteHeader(status int) {
	if a.c.answer != nil {
		a.ResponseWriter.WriteHeader(status)
	}
}

func (a *answering) Write(p []byte) (int, error) {
	if a.c.answer == nil {
		return len(p), nil
	}
	return a.ResponseWriter.Write(p)
}

// Flush does nothing: the server flushes when the call has ended.
func (a *answering) Flush() {}
