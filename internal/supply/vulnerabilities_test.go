package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
)

const (
	config   = `{"config": {"scanner_name": "govulncheck"}}`
	titles   = `{"osv": {"id": "GO-1", "summary": "Reads\n too much"}} {"osv": {"id": "GO-2", "summary": "Loops"}} {"osv": {"id": "GO-3", "summary": "Sleeps"}}`
	standing = `{"finding": {"osv": "GO-1", "fixed_version": "v1.26.9", "trace": [{"module": "stdlib", "version": "v1.26.8", "function": "Read"}]}}`
	calling  = `{"finding": {"osv": "GO-2", "fixed_version": "v1.0.1", "trace": [{"module": "example.com/a", "version": "v1.0.0", "function": "Loop"}, {"module": "ours", "function": "main"}]}}`
	module   = `{"finding": {"osv": "GO-2", "fixed_version": "v1.0.1", "trace": [{"module": "example.com/a", "version": "v1.0.0"}]}}`
	idle     = `{"finding": {"osv": "GO-3", "fixed_version": "v2.0.0", "trace": [{"module": "example.com/b", "version": "v1.0.0"}]}}`
)

func TestReport(t *testing.T) {
	const ofGo = "GO-1: Reads too much: called in stdlib v1.26.8, fixed in v1.26.9\n"
	const ofModule = "GO-2: Loops: called in example.com/a v1.0.0, fixed in v1.0.1"
	for name, test := range map[string]struct {
		printed     []string
		want, wrong string
	}{
		"nothing":         {[]string{config}, "0 vulnerabilities of modules are called, 0 of the Go release; 0 more are in what is required, and not called\n", ""},
		"not called":      {[]string{config, titles, idle, idle}, "0 vulnerabilities of modules are called, 0 of the Go release; 1 more are in what is required, and not called\n", ""},
		"of the Go":       {[]string{config, titles, standing, standing}, ofGo + "0 vulnerabilities of modules are called, 1 of the Go release; 0 more are in what is required, and not called\n", ""},
		"called":          {[]string{config, titles, module, calling, calling, standing, idle}, ofGo + "1 vulnerabilities of modules are called, 1 of the Go release; 1 more are in what is required, and not called\n", ofModule},
		"no govulncheck":  {[]string{titles}, "", "must print how it is configured, found nothing of it"},
		"another program": {[]string{"usage"}, "", "invalid character 'u' looking for beginning of value"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			found, err := read(strings.NewReader(strings.Join(test.printed, "\n")))
			if err == nil {
				err = found.report(&out)
			}
			check.Equal(t, out.String(), test.want)
			if test.wrong == "" {
				check.OK(t, err)
			} else {
				check.Error(t, err, test.wrong)
			}
		})
	}
}
