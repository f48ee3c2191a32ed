package telemetry

import (
	"testing"
	"time"
)

// record records one request for each number of seconds.
func record(e *Endpoint, status int, seconds ...float64) {
	for _, s := range seconds {
		e.Begin(time.Unix(1, 0))
		e.End(bg, status, time.Duration(s*float64(time.Second)))
	}
}

// A probe changes all metrics except the time of the last request. A status outside
// HTTP counts as 500. Recording allocates nothing.
func TestEndpoint(t *testing.T) {
	r := measure(t)
	all := r.endpoints("/shout", "/readyz")
	record(all[1], 200, 0.001)
	same(t, "after a probe", r.samples("last_request"), "")
	record(all[0], 200, 0.001, 0.001)
	for _, status := range []int{0, 99, 1000} {
		record(all[0], status, 0.001)
	}
	all[0].Begin(time.Unix(2, 5e8))
	same(t, "requests", r.samples("in_progress")+r.samples("request_total")+r.samples("last_request"),
		`bentoml_service_request_in_progress{endpoint="/readyz"} 0.0
bentoml_service_request_in_progress{endpoint="/shout"} 1.0
bentoml_service_request_total{endpoint="/readyz",http_response_code="200"} 1.0
bentoml_service_request_total{endpoint="/shout",http_response_code="200"} 2.0
bentoml_service_request_total{endpoint="/shout",http_response_code="500"} 3.0
bentoml_service_last_request_timestamp_seconds{runner_name="Front"} 2.5
`)
	if n := testing.AllocsPerRun(100, func() { record(all[0], 200, 0.001) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
