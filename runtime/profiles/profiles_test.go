package profiles

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// Profiles are served by name, and a wrong parameter is an error that says what is right.
func TestHandler(t *testing.T) {
	for target, want := range map[string]struct {
		status int
		body   string // its beginning
	}{
		"":                        {200, "allocs\n"},
		"goroutine?debug=1":       {200, "goroutine profile: total "},
		"heap?gc=1":               {200, "\x1f\x8b"},
		"profile?seconds=0.001":   {200, "\x1f\x8b"},
		"trace?seconds=0.001":     {200, "go 1."},
		"cmdline":                 {404, `no such profile: "cmdline"`},
		"heap?debug=x":            {400, `debug: must be 0, 1 or 2, found "x"`},
		"heap?seconds=1":          {400, "seconds: only profile and trace take it"},
		"profile?seconds=NaN":     {400, `seconds: must be more than 0 and at most 600, found "NaN"`},
		"trace?seconds=-1":        {400, `seconds: must be more than 0 and at most 600, found "-1"`},
		"profile?seconds=601":     {400, `seconds: must be more than 0 and at most 600, found "601"`},
		"profile?seconds=a%20lot": {400, `seconds: must be more than 0 and at most 600, found "a lot"`},
	} {
		w := httptest.NewRecorder()
		handler().ServeHTTP(w, httptest.NewRequest("GET", root+target, nil))
		if w.Code != want.status || !strings.HasPrefix(w.Body.String(), want.body) {
			t.Errorf("%s: got %d %.60q", target, w.Code, w.Body)
		}
	}
}
