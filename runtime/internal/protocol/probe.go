package protocol

import (
	"cmp"
	"net/http"
)

// Ask returns the status and the header of a probe.
func Ask(probe http.Handler, r *http.Request) (status int, header http.Header) {
	of := &verdict{header: http.Header{}}
	probe.ServeHTTP(of, r)
	return of.status, of.header
}

// verdict keeps the status and the header of a probe.
type verdict struct {
	header http.Header
	status int
}

func (v *verdict) Header() http.Header { return v.header }

func (v *verdict) WriteHeader(status int) { v.status = cmp.Or(v.status, status) }

func (v *verdict) Write(p []byte) (int, error) {
	v.WriteHeader(http.StatusOK)
	return len(p), nil
}
