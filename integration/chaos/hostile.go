package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
)

// hostileKinds are requests that should find nothing to hold on to.
func hostileKinds() []kind {
	nothing := []int{http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusBadRequest, http.StatusTemporaryRedirect}
	return []kind{
		{name: "hostile path", weight: 40, act: (*actor).hostilePath, seen: nothing, adds: 2 /* 404 and 307 of unmatched */},
		{name: "random method and path", weight: 30, act: (*actor).anyMethod, seen: nothing, enters: maybe, adds: 10 /* 405 of each API, 404 and 405 of unmatched */},
		{name: "random method, own paths", weight: 20, act: (*actor).ownPath, seen: nothing, enters: maybe, adds: 8 /* 405 of each path but /metrics, where files share one; 404 of unmatched */}, // such a path has no room for a nonce
	}
}

// bytesOf returns random bytes that a line of a head may have.
func (a *actor) bytesOf(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(a.rand.IntN(256))
		if b[i] <= ' ' || b[i] == 0x7f || strings.IndexByte("?#%", b[i]) >= 0 {
			b[i] = '_'
		}
	}
	return string(b)
}

// hostilePath has random bytes behind the nonce, escaped or as they are, in its host and in a
// header. It keeps its connection.
func (a *actor) hostilePath() outcome {
	more := a.bytesOf(1 + a.rand.IntN(40))
	switch a.rand.IntN(4) {
	case 0:
	case 1:
		more = strings.Repeat("../", a.rand.IntN(5)) + url.PathEscape(more)
	case 2:
		more = strings.Repeat("/", a.rand.IntN(5)) + "plain/" + url.PathEscape(more) + "/x"
	default:
		more = url.PathEscape("\x00\n\"" + more)
	}
	path := []string{"/x/", "/app/no/", "/plain/a/", "/./", "/metrics/", "/app//"}[a.rand.IntN(6)] + a.nonce + "/" + more
	if a.rand.IntN(8) == 0 {
		path = a.path("/plain") + "/" // redirects to the path without its slash
	}
	header := []string{"User-Agent", "X-Forwarded-For", "Traceparent", "Baggage", "Origin", "Accept", "Cookie", "X-Bentoml-Request-Id"}[a.rand.IntN(8)]
	r := &http.Request{
		Method: http.MethodGet, URL: &url.URL{Scheme: "http", Host: a.address, Opaque: path},
		Host: a.token() + ".example", Header: http.Header{header: {a.bytesOf(1 + a.rand.IntN(40))}},
	}
	// net/http's client gives its connection to the next request before it delivers a response
	// without a body, which fails if that request is cancelled at once.
	return a.do(a.bare, r)
}

// token returns random characters of which a method may consist.
func (a *actor) token() string {
	const tokens = "ABCXYZabcxyz019!#$&'*+-.^_`|~"
	b := make([]byte, 1+a.rand.IntN(20))
	for i := range b {
		b[i] = tokens[a.rand.IntN(len(tokens))]
	}
	return string(b)
}

// method returns a method that no path takes but a mount's.
func (a *actor) method() string {
	methods := []string{http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodOptions, http.MethodTrace, http.MethodConnect, "PROPFIND", "post"}
	if n := a.rand.IntN(2 * len(methods)); n < len(methods) {
		return methods[n]
	}
	return a.token()
}

// anyMethod has a path with or without a route.
func (a *actor) anyMethod() outcome {
	endpoints := []string{"/plain", "/slow", "/file", "/upload", "/stream", "/events", "/batch", "/mad", "/no", "/app", "/app/ws/no"}
	return a.odd(a.path(endpoints[a.rand.IntN(len(endpoints))]))
}

// ownPath has a path that the server itself serves.
func (a *actor) ownPath() outcome {
	paths := []string{"/", "/healthz", "/livez", "/readyz", "/schema.json", "/docs.json", "/metrics", "/static_content/page.js", "/static_content/page.css", "/static_content/" + a.token()}
	return a.odd(paths[a.rand.IntN(len(paths))])
}

// odd sends a random method.
func (a *actor) odd(path string) outcome {
	method := a.method()
	if method == http.MethodConnect {
		return a.raw("CONNECT " + path + " HTTP/1.1\r\nHost: chaos\r\nConnection: close\r\n\r\n")
	}
	return a.send(context.Background(), a.either(), method, path, "text/plain", nil)
}

// labelSets are the label sets of a page, each with how many series it has: one, or those of a
// histogram.
type labelSets map[string]int

func (p page) labelSets() labelSets {
	sets := labelSets{}
	for name, family := range p.families {
		if strings.HasPrefix(name, "ekiben_otlp_") {
			continue // pushes, which no request makes
		}
		for _, m := range family.GetMetric() {
			sets[name+labelsOf(m)] = 1
			if h := m.GetHistogram(); h != nil {
				sets[name+labelsOf(m)] = len(h.GetBucket()) + 2
			}
		}
	}
	return sets
}

// labelsOf returns {endpoint="/a",http_response_code="404"}.
func labelsOf(m *dto.Metric) string {
	var pairs []string
	for _, one := range m.GetLabel() {
		pairs = append(pairs, fmt.Sprintf("%s=%q", one.GetName(), one.GetValue()))
	}
	return "{" + strings.Join(pairs, ",") + "}"
}

func (s labelSets) series() (total int) {
	for _, n := range s {
		total += n
	}
	return total
}

// checkHostile checks how many series hostile input has added to the first server, and that
// it has added all of them soon.
func (s *session) checkHostile(p page) {
	added := p.labelSets()
	maps.DeleteFunc(added, func(set string, _ int) bool { _, known := s.before[set]; return known })
	s.figures.added = added.series()
	most := 1 // the time of the last request
	for _, k := range s.kinds {
		most += k.adds * seriesOfSet
	}
	if s.figures.added > most {
		s.book.brokenf("hostile input has added %d series, the bound is %d: %v", s.figures.added, most, slices.Sorted(maps.Keys(added)))
	}
	if s.hostile == nil {
		s.hostile = added
		return
	}
	if !maps.Equal(added, s.hostile) {
		s.book.brokenf("hostile input had added %v after %d requests, and later %v", slices.Sorted(maps.Keys(s.hostile)), soonHostile, slices.Sorted(maps.Keys(added)))
	}
}

// seriesOfSet is how many series come with a label set of request_total, at most: a counter, a
// gauge of requests in progress, and 16 buckets, the sum and the count of their durations.
const seriesOfSet = 20

// soonHostile is after how many requests hostile input must have added all its series.
const soonHostile = 1000
