package cors_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/runtime/internal/cors"
)

// serve sends a request through the middleware, with headers given as pairs.
func serve(cfg config.CORS, method string, headers ...string) (reached bool, response http.Header) {
	next := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true })
	r, w := httptest.NewRequest(method, "/echo", nil), httptest.NewRecorder()
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	cors.Middleware(cfg)(next).ServeHTTP(w, r)
	return reached, w.Header()
}

func pattern(expression string) config.Pattern {
	p, err := config.ParsePattern(expression)
	if err != nil {
		panic(err)
	}
	return p
}

// A request and its preflight allow the same origins.
func TestOrigins(t *testing.T) {
	const allow = "Access-Control-Allow-Origin"
	for name, test := range map[string]struct {
		cors       config.CORS
		from, want string
	}{
		"off":         {config.CORS{AllowOrigins: []string{"*"}}, "http://a", ""},
		"any":         {config.CORS{Enabled: true, AllowOrigins: []string{"*"}}, "http://a", "*"},
		"listed":      {config.CORS{Enabled: true, AllowOrigins: []string{"http://b", "http://a"}}, "http://a", "http://a"},
		"not listed":  {config.CORS{Enabled: true, AllowOrigins: []string{"http://b"}}, "http://a", ""},
		"pattern":     {config.CORS{Enabled: true, AllowOriginRegex: pattern(`http://[ab]`)}, "http://a", "http://a"},
		"half of one": {config.CORS{Enabled: true, AllowOriginRegex: pattern(`http://[ab]`)}, "http://a.evil", ""},
		"either half": {config.CORS{Enabled: true, AllowOriginRegex: pattern(`http://a|http://b`)}, "http://b.evil", ""},
		"open quote":  {config.CORS{Enabled: true, AllowOriginRegex: pattern(`\Qhttp://a`)}, "http://a", "http://a"},
		"credentials": {config.CORS{Enabled: true, AllowOrigins: []string{"*"}, AllowCredentials: true}, "http://a", "http://a"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := test.cors
			cfg.AllowMethods, cfg.AllowHeaders, cfg.ExposeHeaders = []string{"*"}, []string{"X-Key"}, []string{"X-Id"}
			reached, h := serve(cfg, "POST", "Origin", test.from)
			if exposed := h.Get("Access-Control-Expose-Headers"); !reached || h.Get(allow) != test.want || (exposed == "X-Id") != (test.want != "") {
				t.Errorf("reached %v, got %v", reached, h)
			}
			reached, h = serve(cfg, "OPTIONS", "Origin", test.from, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "x-key")
			if reached == cfg.Enabled || h.Get(allow) != test.want {
				t.Errorf("preflight: reached %v, got %v", reached, h)
			}
			if test.want != "" && (h.Get("Access-Control-Max-Age") != "600" || h.Get("Access-Control-Allow-Methods") != "POST") {
				t.Errorf("preflight: %v", h)
			}
		})
	}
}

// The header names of a preflight may be in any case and order, and on several lines.
func TestPreflightHeaders(t *testing.T) {
	cfg := config.CORS{Enabled: true, AllowOrigins: []string{"*"}, AllowMethods: []string{"*"}, AllowHeaders: []string{"X-Key", "Authorization"}}
	for _, test := range []struct {
		allowed bool
		asked   []string
	}{
		{true, []string{"x-key"}}, {true, []string{"X-Key"}}, {true, []string{"Content-Type"}}, {true, []string{"content-type,accept"}},
		{true, []string{"x-key, Accept ,AUTHORIZATION"}}, {true, []string{"x-key", "Accept"}}, {true, []string{"x-key,x-key"}}, {true, []string{""}},
		{false, []string{"x-other"}}, {false, []string{"x-key,x-other"}}, {false, []string{"x-key", "x-other"}},
	} {
		headers := []string{"Origin", "http://a", "Access-Control-Request-Method", "POST"}
		for _, line := range test.asked {
			headers = append(headers, "Access-Control-Request-Headers", line)
		}
		if _, h := serve(cfg, "OPTIONS", headers...); (h.Get("Access-Control-Allow-Origin") == "*") != test.allowed {
			t.Errorf("%q: %v", test.asked, h)
		}
	}
}

// Methods and max_age have BentoML's defaults.
func TestPreflightDefaults(t *testing.T) {
	cfg := config.CORS{Enabled: true, AllowOrigins: []string{"*"}}
	for method, allowed := range map[string]bool{"GET": true, "POST": false} {
		if _, h := serve(cfg, "OPTIONS", "Origin", "http://a", "Access-Control-Request-Method", method); (h.Get("Access-Control-Allow-Methods") == method) != allowed {
			t.Errorf("%s: %v", method, h)
		}
	}
	cfg.MaxAge = 5
	if _, h := serve(cfg, "OPTIONS", "Origin", "http://a", "Access-Control-Request-Method", "GET"); h.Get("Access-Control-Max-Age") != "5" {
		t.Errorf("got %v", h)
	}
}
