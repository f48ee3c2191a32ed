package runtime_test

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// The log line of a refused request says why, in the words of ekiben_traffic_refused_total. Other
// lines have no reason.
func TestLogOfRefusals(t *testing.T) {
	large := strings.Repeat(" ", 8<<10)
	for name, test := range map[string]struct {
		set     func(*config.Config)
		before  []string // bodies that are posted one after the other before the refusal; "hold" stays
		body    string
		headers []string
		want    string // the reason and the status
	}{
		"full":            {func(c *config.Config) { c.Traffic.MaxConcurrency = 1 }, []string{"hold"}, "", nil, "429 full"},
		"late":            {func(c *config.Config) { c.Traffic.MaxConcurrency, c.Traffic.MaxQueue = 1, 5 }, []string{"sleep", "sleep", "sleep", "sleep", "sleep", "sleep"}, "", []string{"Request-Timeout-Ms", "10"}, "503 late"},
		"expired":         {func(c *config.Config) { c.Traffic.MaxConcurrency, c.Traffic.MaxQueue = 1, 5 }, []string{"hold"}, "", []string{"Request-Timeout-Ms", "10"}, "504 expired"},
		"expired already": {func(*config.Config) {}, nil, "", []string{"Request-Timeout-Ms", "0"}, "504 expired"},
		"client":          {func(c *config.Config) { c.Traffic.PerClient.MaxConcurrency = 1 }, []string{"hold"}, "", nil, "429 client"},
		"auth":            {func(c *config.Config) { c.HTTP.Auth.BearerTokens = config.NewSecret("token") }, nil, "", nil, "401 auth"},
		"memory":          {func(c *config.Config) { c.HTTP.MaxBodies = 5 << 10 }, nil, large, nil, "503 memory"},
		"overdue":         {func(c *config.Config) { c.HTTP.MaxOverdue, c.Traffic.Timeout = 1, time.Second }, []string{"hold", ""}, "", nil, "503 overdue"},
		"starting":        {nil, nil, "", nil, "503 starting"},
		"none":            {func(*config.Config) {}, []string{"sleep"}, "fail", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log logBuffer
				release := make(chan struct{})
				set := test.set
				if set == nil {
					set = func(*config.Config) {}
				}
				app := newApp("S", settings(set), runtime.WithLogger(textLogger(&log)))
				declareWork(app, release)
				if test.set == nil {
					app.Warm(func(context.Context) error { <-release; return nil })
				}
				start := servePipe
				if name == "client" { // pipes have no addresses
					start = direct
				}
				s := start(t, app)
				defer synctest.Wait()
				defer close(release)
				for _, body := range test.before {
					go func() { _, _ = s.try("POST", "/work", body) }()
					time.Sleep(2 * time.Second)
				}
				log.reset()
				s.do("POST", "/work", test.body, test.headers...)
				synctest.Wait()
				got := ""
				if found := refusalLine.FindStringSubmatch(log.String()); found != nil {
					got = found[1] + " " + found[2]
				}
				check.Equal(t, got, test.want)
			})
		})
	}
}

// declareWork declares an API that does what its body says, and holds until release is closed.
func declareWork(app *runtime.App, release <-chan struct{}) {
	runtime.Handle(app, "work", func(_ context.Context, in string) (string, error) {
		switch in {
		case "hold":
			<-release
		case "sleep":
			time.Sleep(5 * time.Second)
		case "fail":
			return "", &runtime.Error{Status: 429}
		}
		return in, nil
	})
}

var refusalLine = regexp.MustCompile(`msg=request .*status=(\d+) .* reason=(\S+)\n`)
