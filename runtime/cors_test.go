package runtime_test

import (
	"net/http"
	"testing"

	"github.com/ekiben-serving/ekiben/runtime/config"
)

func TestCORS(t *testing.T) {
	const origin, allow = "Origin", "Access-Control-Allow-Origin"
	preflight := []string{"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "x-key"}
	for name, test := range map[string]struct {
		cors         config.CORS
		from, answer string
	}{
		"off":         {config.CORS{AllowOrigins: []string{"*"}}, "http://a", ""},
		"any":         {config.CORS{Enabled: true, AllowOrigins: []string{"*"}}, "http://a", "*"},
		"listed":      {config.CORS{Enabled: true, AllowOrigins: []string{"http://b", "http://a"}}, "http://a", "http://a"},
		"not listed":  {config.CORS{Enabled: true, AllowOrigins: []string{"http://b"}}, "http://a", ""},
		"pattern":     {config.CORS{Enabled: true, AllowOriginRegex: pattern(`http://[ab]`)}, "http://a", "http://a"},
		"half of one": {config.CORS{Enabled: true, AllowOriginRegex: pattern(`http://[ab]`)}, "http://a.evil", ""},
		"open quote":  {config.CORS{Enabled: true, AllowOriginRegex: pattern(`\Qhttp://a`)}, "http://a", "http://a"},
		"credentials": {config.CORS{Enabled: true, AllowOrigins: []string{"*"}, AllowCredentials: true}, "http://a", "http://a"},
	} {
		t.Run(name, func(t *testing.T) {
			cors := test.cors
			cors.AllowMethods, cors.AllowHeaders, cors.ExposeHeaders = []string{"*"}, []string{"X-Key"}, []string{"X-Id"}
			s := serve(t, newEcho(), settings(func(c *config.Config) { c.HTTP.CORS = cors }))
			got := s.do("POST", "/echo", `{"text":"x"}`, origin, test.from)
			if got.status != 200 || got.body != "X" || got.header.Get(allow) != test.answer {
				t.Errorf("got %d %q from %q", got.status, got.body, got.header.Get(allow))
			}
			if exposed := got.header.Get("Access-Control-Expose-Headers"); (exposed == "X-Id") != (test.answer != "") {
				t.Errorf("exposes %q", exposed)
			}
			if !cors.Enabled {
				return
			}
			got = s.do("OPTIONS", "/echo", "", append(preflight, origin, test.from)...)
			if got.status != http.StatusOK || got.header.Get(allow) != test.answer {
				t.Errorf("preflight: got %d from %q", got.status, got.header.Get(allow))
			}
			if test.answer != "" && (got.header.Get("Access-Control-Max-Age") != "600" || got.header.Get("Access-Control-Allow-Methods") != "POST") {
				t.Errorf("preflight: %v", got.header)
			}
		})
	}
}
