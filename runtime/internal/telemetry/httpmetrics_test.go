package telemetry

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/runtime/config"
)

// The metrics with OpenTelemetry's names have the same counts and seconds as BentoML's.
// A client cannot create series with invented methods and paths.
func TestHTTPConventions(t *testing.T) {
	r := measure(t, metrics(func(m *config.Metrics) { m.Conventions = []string{"bentoml", "http"} }))
	all := r.endpoints("/shout", Unmatched)
	shout, unmatched := all[0], all[1]
	for i, c := range []struct {
		endpoint *Endpoint
		request  http.Request
		status   int
	}{
		{shout, http.Request{Method: "POST", ProtoMajor: 1, ProtoMinor: 1}, 200},
		{shout, http.Request{Method: "POST", ProtoMajor: 1, ProtoMinor: 1}, 200},
		{shout, http.Request{Method: "POST", ProtoMajor: 1, ProtoMinor: 0}, 400},
		{shout, http.Request{Method: "BREW", ProtoMajor: 2, TLS: &tls.ConnectionState{}}, 405},
		{shout, http.Request{Method: "post", ProtoMajor: 3, TLS: &tls.ConnectionState{}}, 504},
		{shout, http.Request{Method: "PUT", ProtoMajor: 1, ProtoMinor: 1}, 1000},
		{unmatched, http.Request{Method: "GET", ProtoMajor: 1, ProtoMinor: 1}, 404},
	} {
		c.endpoint.Begin(time.Now())
		c.endpoint.EndHTTP(&c.request, c.status, time.Second<<i)
	}
	exposition := r.scrape()
	same(t, "sums", matching(exposition, "duration_seconds_sum"), `bentoml_service_request_duration_seconds_sum{endpoint="/shout",http_response_code="200"} 3.0
bentoml_service_request_duration_seconds_sum{endpoint="/shout",http_response_code="400"} 4.0
bentoml_service_request_duration_seconds_sum{endpoint="/shout",http_response_code="405"} 8.0
bentoml_service_request_duration_seconds_sum{endpoint="/shout",http_response_code="500"} 32.0
bentoml_service_request_duration_seconds_sum{endpoint="/shout",http_response_code="504"} 16.0
bentoml_service_request_duration_seconds_sum{endpoint="unmatched",http_response_code="404"} 64.0
http_server_request_duration_seconds_sum{error_type="500",http_request_method="PUT",http_response_status_code="500",http_route="/shout",network_protocol_version="1.1",url_scheme="http"} 32.0
http_server_request_duration_seconds_sum{error_type="504",http_request_method="_OTHER",http_response_status_code="504",http_route="/shout",network_protocol_version="3",url_scheme="https"} 16.0
http_server_request_duration_seconds_sum{http_request_method="GET",http_response_status_code="404",network_protocol_version="1.1",url_scheme="http"} 64.0
http_server_request_duration_seconds_sum{http_request_method="POST",http_response_status_code="200",http_route="/shout",network_protocol_version="1.1",url_scheme="http"} 3.0
http_server_request_duration_seconds_sum{http_request_method="POST",http_response_status_code="400",http_route="/shout",network_protocol_version="1.0",url_scheme="http"} 4.0
http_server_request_duration_seconds_sum{http_request_method="_OTHER",http_response_status_code="405",http_route="/shout",network_protocol_version="2",url_scheme="https"} 8.0
`)
	bounds := ""
	for line := range strings.Lines(matching(exposition, "http_server", "_bucket", `"404"`)) {
		_, rest, _ := strings.Cut(line, `le="`)
		bound, _, _ := strings.Cut(rest, `"`)
		bounds += bound + " "
	}
	same(t, "boundaries", bounds, "0.005 0.01 0.025 0.05 0.075 0.1 0.25 0.5 0.75 1.0 2.5 5.0 7.5 10.0 +Inf ")
	request := &http.Request{Method: "POST", ProtoMajor: 1, ProtoMinor: 1}
	if n := testing.AllocsPerRun(100, func() { shout.EndHTTP(request, 200, time.Second) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Each convention can be used alone.
func TestConventionsAlone(t *testing.T) {
	r := measure(t, metrics(func(m *config.Metrics) { m.Conventions = []string{"http"} }))
	shout := r.endpoints("/shout")[0]
	shout.Begin(time.Now())
	shout.EndHTTP(&http.Request{Method: "POST", ProtoMajor: 1, ProtoMinor: 1}, 200, time.Second)
	if got := r.scrape(); strings.Contains(got, "bentoml") || !strings.Contains(got, `http_route="/shout"`) {
		t.Errorf("got\n%s", got)
	}
	r = measure(t)
	shout = r.endpoints("/shout")[0]
	shout.Begin(time.Now())
	shout.EndHTTP(&http.Request{}, 200, time.Second)
	if got := r.scrape(); strings.Contains(got, "http_server") {
		t.Errorf("got\n%s", got)
	}
}
