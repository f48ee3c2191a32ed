package slow

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/internal/static"
)

// Handler sends the records as JSON, the latest first; with ?trace_id= and ?request_id=, those of
// a trace or a request. A query that it does not understand is a 400.
func (l *Log) Handler() http.Handler {
	return static.ReadOnly(func(w http.ResponseWriter, r *http.Request) {
		query, err := url.ParseQuery(r.URL.RawQuery)
		if err == nil {
			err = checkQuery(query)
		}
		if err != nil {
			static.Plain(w, http.StatusBadRequest, err.Error()+"\n")
			return
		}
		sent, request := []document{}, query.Get("request_id")
		for _, one := range l.List(strings.ToLower(query.Get("trace_id"))) {
			if request == "" || one.RequestID == request {
				sent = append(sent, one.document())
			}
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		to := json.NewEncoder(w)
		to.SetIndent("", "  ")
		_ = to.Encode(map[string]any{"requests": sent}) // or the client has left
	})
}

var traceID = regexp.MustCompile(`^[0-9a-fA-F]{32}$`)

// checkQuery returns an error for a query that would silently match all records, or none.
func checkQuery(query url.Values) error {
	for _, name := range slices.Sorted(maps.Keys(query)) {
		value := query[name][0]
		switch {
		case name != "trace_id" && name != "request_id":
			return fmt.Errorf("unknown parameter %q: must be trace_id or request_id", name)
		case len(query[name]) > 1:
			return fmt.Errorf("%s: must be given once, found %d", name, len(query[name]))
		case name == "trace_id" && !traceID.MatchString(value):
			return fmt.Errorf("trace_id: must have 32 hexadecimal digits, as in exemplars, found %q", value)
		case value == "":
			return errors.New("request_id: must be an id of the log or of X-BentoML-Request-ID, found none")
		}
	}
	return nil
}

// document is a record as JSON. Durations are seconds.
type document struct {
	Time      time.Time          `json:"time"`
	Service   string             `json:"service"`
	Endpoint  string             `json:"endpoint"`
	Status    int                `json:"status"`
	RequestID string             `json:"request_id"`
	TraceID   string             `json:"trace_id,omitempty"`
	Took      float64            `json:"took_seconds"`
	Cause     string             `json:"cause"`
	Spent     map[string]float64 `json:"spent_seconds"`
	Batch     *batchDocument     `json:"batch,omitempty"`
}

type batchDocument struct {
	Requests int     `json:"requests"`
	Items    int     `json:"items"`
	Compute  float64 `json:"compute_seconds"`
}

func (r *Record) document() document {
	d := document{
		Time: r.Time, Service: r.Service, Endpoint: r.Endpoint, Status: r.Status, RequestID: r.RequestID, TraceID: r.TraceID,
		Took: r.Took.Seconds(), Cause: r.Cause, Spent: make(map[string]float64, len(r.Spent)),
	}
	for cause, share := range r.Spent {
		d.Spent[cause] = share.Seconds()
	}
	if r.BatchRequests > 0 {
		d.Batch = &batchDocument{r.BatchRequests, r.BatchItems, r.BatchCompute.Seconds()}
	}
	return d
}
