package runtime

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/internal/grpcwire"
)

// rpcWriter makes a response one of gRPC: its status is 200, and a code in its trailers says how
// the call has ended. What is counted is the status that the API has written.
type rpcWriter struct {
	http.ResponseWriter
	x       *exchange
	method  string       // of the service and the method
	status  int          // that was written; 0: none
	counted int          // the status that is counted; 0: status
	failed  bytes.Buffer // the body of an error
	written bool         // something was sent
}

// Unwrap leads to the exchange.
func (w *rpcWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader keeps the status.
func (w *rpcWriter) WriteHeader(status int) {
	if status >= http.StatusOK {
		w.status = cmp.Or(w.status, status)
	}
}

// Write sends a part of a message, or keeps the body of an error.
func (w *rpcWriter) Write(p []byte) (int, error) {
	if w.status >= http.StatusBadRequest {
		return w.failed.Write(p)
	}
	if !w.written {
		w.written = true
		header := w.Header()
		header["Content-Type"] = []string{"application/grpc"}
		delete(header, "Content-Length") // trailers follow
	}
	return w.ResponseWriter.Write(p)
}

// end sends the code of the call, and counts it.
func (w *rpcWriter) end() {
	code, message := grpcwire.OK, ""
	if w.status >= http.StatusBadRequest {
		code, message = grpcwire.Of(w.status), w.message()
	} else if !w.written {
		code, message = grpcwire.Internal, "the response has no message"
	}
	if w.x.request.Context().Err() != nil && code != grpcwire.DeadlineExceeded {
		code = grpcwire.Cancelled
	}
	header, prefix := w.Header(), http.TrailerPrefix
	if !w.written { // all is in the header then: it is also the end
		prefix = ""
		header["Content-Type"] = []string{"application/grpc"}
		delete(header, "Content-Length")
	}
	header[prefix+"Grpc-Status"] = []string{strconv.Itoa(int(code))}
	if message != "" {
		header[prefix+"Grpc-Message"] = []string{grpcwire.Escape(message)}
	}
	if !w.written {
		w.ResponseWriter.WriteHeader(http.StatusOK)
	}
	w.x.countAs(cmp.Or(w.counted, w.status))
	w.x.app.telemetry.RPC().Record(w.x.request.Context(), w.method, code.String(), time.Since(w.x.start))
}

// message returns the message of an error.
func (w *rpcWriter) message() string {
	var said struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(w.failed.Bytes(), &said) != nil || said.Error == "" {
		said.Error = http.StatusText(w.status)
	}
	return said.Error
}

// countAs changes the status that a request is counted with, unless its client has left.
func (x *exchange) countAs(status int) {
	x.out.mu.Lock()
	defer x.out.mu.Unlock()
	x.rpc.status = status
	if status != 0 && x.out.status != 0 && !x.out.gone {
		x.out.status = status
	}
}
