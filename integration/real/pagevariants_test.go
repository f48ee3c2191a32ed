package real

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

func shouter() *runtime.Service {
	svc := runtime.NewService("Shouter")
	runtime.Handle(svc, "shout", func(_ context.Context, in struct {
		Text string `json:"text"`
	},
	) (string, error) {
		return strings.ToUpper(in.Text), nil
	})
	return svc
}

// TestPageCountsNoProbes asks for everything that the server answers itself,
// below a prefix, which is no request to the service.
func TestPageCountsNoProbes(t *testing.T) {
	for _, convention := range []string{"bentoml", "http"} {
		t.Run(convention, func(t *testing.T) {
			base := served(t, shouter(), func(c *config.Config) {
				c.HTTP.PathPrefix = "/ml"
				c.Metrics.Conventions = []string{convention}
			})
			b := browse(t, base+"/")
			eventually(t, "a second reading", func() bool { return b.number(`past.time.length`) > 1 })
			for range 20 {
				for _, path := range []string{"/livez", "/readyz", "/healthz", "/metrics", "/docs.json", "/schema.json", "/static_content/page.js", "/"} {
					if status := send(t, http.MethodGet, base+path, ""); status != http.StatusOK {
						t.Fatalf("%s answers %d", path, status)
					}
				}
			}
			readings := b.number(`past.time.length`)
			eventually(t, "two more readings", func() bool { return b.number(`past.time.length`) > readings+2 })
			if most := b.number(`Math.max(...past.all)`); most != 0 {
				t.Errorf("probes count as %v requests a second", most)
			}
			_, stop := crowd(t, 2, 10*time.Millisecond, base+"/shout", `{"text":"x"}`)
			defer stop()
			eventually(t, "requests", func() bool { return b.number(last(0, 1)) > 5 && b.number(`$('rate').textContent`) > 5 })
			if status, answer := b.press(0); !strings.HasPrefix(status, "200 ") || answer != "TEXT" {
				t.Errorf("the form: %s %s", status, answer)
			}
		})
	}
}

// TestPageWithoutMetrics says why there are none.
func TestPageWithoutMetrics(t *testing.T) {
	off := func(c *config.Config) { c.Metrics.Enabled = false }
	for name, test := range map[string]struct {
		base, says string
	}{
		"off":       {served(t, shouter(), off), "Nothing is measured: metrics.enabled is false."},
		"elsewhere": {served(t, shouter(), nil, runtime.WithMeterProvider(sdkmetric.NewMeterProvider())), "This service measures with a MeterProvider that the program brought along."},
	} {
		t.Run(name, func(t *testing.T) {
			b := browse(t, test.base+"/")
			eventually(t, "the form", func() bool { return b.text(`$('api0') !== null`) == "true" })
			if said := b.text(`$('nometrics').textContent`); !strings.HasPrefix(said, test.says) {
				t.Errorf("the page says %q", said)
			}
			if links := b.text(`[...document.querySelectorAll('footer a')].map(a => a.textContent)`); links != "OpenAPI,schema,readiness" {
				t.Errorf("the page links to %s", links)
			}
			if status, _ := b.press(0); !strings.HasPrefix(status, "200 ") {
				t.Errorf("the form: %s", status)
			}
			if problems := b.complaints(); len(problems) > 0 || b.text(`$('state').textContent`) != "" {
				t.Errorf("the browser complains: %q", problems)
			}
		})
	}
}
