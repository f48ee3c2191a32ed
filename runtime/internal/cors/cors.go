// Package cors handles cross-origin requests as http.cors says.
package cors

import (
	"net/http"
	"slices"
	"strings"

	"github.com/rs/cors"

	"github.com/ekiben-serving/ekiben/runtime/config"
)

// defaultMaxAge is the default of max_age in BentoML: how long browsers cache a
// preflight, in seconds.
const defaultMaxAge = 600

// Middleware returns the middleware for cross-origin requests. It is inside the
// measurement and inside the user's middleware, as in BentoML.
func Middleware(cfg config.CORS) func(http.Handler) http.Handler {
	if !cfg.Enabled {
		return func(next http.Handler) http.Handler { return next }
	}
	methods := cfg.AllowMethods
	switch {
	case len(methods) == 0:
		methods = []string{http.MethodGet}
	case slices.Contains(methods, "*"):
		methods = []string{http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPatch, http.MethodPost, http.MethodPut}
	}
	age := cfg.MaxAge
	if age == 0 {
		age = defaultMaxAge
	}
	options := cors.Options{
		AllowedMethods:       methods,
		AllowedHeaders:       append(slices.Clone(cfg.AllowHeaders), "Accept", "Accept-Language", "Content-Language", "Content-Type"),
		ExposedHeaders:       cfg.ExposeHeaders,
		AllowCredentials:     cfg.AllowCredentials,
		MaxAge:               age,
		OptionsSuccessStatus: http.StatusOK,
	}
	if slices.Contains(cfg.AllowOrigins, "*") && !cfg.AllowCredentials {
		options.AllowedOrigins = []string{"*"}
	} else { // browsers do not accept "*" together with credentials
		options.AllowOriginFunc = originRule(cfg)
	}
	handler := cors.New(options).Handler
	return func(next http.Handler) http.Handler { return normalised(handler(next)) }
}

// normalised sorts the header names of a preflight and writes them in lower case.
// rs/cors expects this form, which browsers send but other clients may not.
func normalised(next http.Handler) http.Handler {
	const name = "Access-Control-Request-Headers"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked := r.Header.Values(name); r.Method == http.MethodOptions && len(asked) > 0 {
			names := strings.FieldsFunc(strings.ToLower(strings.Join(asked, ",")), func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
			slices.Sort(names)
			header := r.Header.Clone()
			header.Set(name, strings.Join(slices.Compact(names), ","))
			r = r.WithContext(r.Context()) // a copy, so that the caller's header stays unchanged
			r.Header = header
		}
		next.ServeHTTP(w, r)
	})
}

// originRule returns a function that reports whether an origin is allowed: it is in
// the list, or the expression matches the whole origin.
func originRule(cfg config.CORS) func(string) bool {
	if slices.Contains(cfg.AllowOrigins, "*") {
		return func(string) bool { return true }
	}
	return func(origin string) bool {
		return slices.Contains(cfg.AllowOrigins, origin) || cfg.AllowOriginRegex.MatchWhole(origin)
	}
}
