package real

import (
	"fmt"
	"strings"
	"testing"
)

// samples is a page of metrics: requests by status, and buckets by API.
func samples(ok, failed int, buckets string) string {
	return fmt.Sprintf("t_request_total{endpoint=\"/a\",http_response_code=\"200\",runner_name=\"R\"} %d\n"+
		"t_request_total{endpoint=\"/a\",http_response_code=\"500\",runner_name=\"R\"} %d\n", ok, failed) + buckets
}

// buckets has a series for each API, from pairs of boundary and count.
func buckets(api string, pairs ...any) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		fmt.Fprintf(&b, "t_request_duration_seconds_bucket{endpoint=%q,le=\"%v\",runner_name=\"R\"} %v\n", api, pairs[i], pairs[i+1])
	}
	return b.String()
}

// TestPageReadings is about two readings whose difference is easily got wrong.
func TestPageReadings(t *testing.T) {
	b := browse(t, served(t, shouter(), nil)+"/")
	eventually(t, "the scripts", func() bool { return b.text(`typeof changes`) == "function" })
	none := buckets("/a", .1, 0, 1, 0, "+Inf", 0)
	for name, test := range map[string]struct{ before, after, want string }{
		"as usual":                   {samples(5, 1, none), samples(9, 3, none), "3,1,"},
		"a counter began anew":       {samples(5, 1, none), samples(9, 0, none), ",,"},
		"a counter is gone":          {samples(5, 1, buckets("/b", "+Inf", 3)), samples(9, 3, none), ",,"},
		"a bucket began anew":        {samples(5, 1, buckets("/a", .1, 3, "+Inf", 3)), samples(9, 3, buckets("/a", .1, 2, "+Inf", 9)), ",,"},
		"the same boundaries":        {samples(1, 1, ""), samples(1, 1, buckets("/a", .1, 0, 1, 10, "+Inf", 10)+buckets("/b", .1, 10, 1, 10, "+Inf", 10)), "0,0,0.1"},
		"boundaries that differ":     {samples(1, 1, ""), samples(1, 1, buckets("/a", 1, 0, 2, 10, "+Inf", 10)+buckets("/b", .5, 0, 2, 10, "+Inf", 10)), "0,0,1"},
		"no boundary in common":      {samples(1, 1, ""), samples(1, 1, buckets("/a", 1, 10, "+Inf", 10)+buckets("/b", 2, 10, "+Inf", 10)), "0,0,"},
		"others' at rest are no bar": {samples(1, 1, ""), samples(1, 1, buckets("/a", 1, 10, "+Inf", 10)+buckets("/b", 2, 0, "+Inf", 0)), "0,0,0.5"},
	} {
		expression := fmt.Sprintf(`(([before, after]) => { const c = changes(before, after, 2); return [c.all, c.failing, c.p50]; })([%q, %q].map(text => read(parse(text), 't', 'R', '')))`, test.before, test.after)
		if got := b.text(expression); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}
