package runtime

import (
	"net/http"
	"slices"

	"github.com/rs/cors"

	"github.com/ekiben-serving/ekiben/runtime/config"
)

// defaultMaxAge is how long browsers remember a preflight that nobody gave a
// max_age: what BentoML's server says.
const defaultMaxAge = 600

// crossOrigin answers browsers of other origins as http.cors says. It stands
// inside the measurement and inside the user's middleware, where BentoML has
// it.
func crossOrigin(cfg config.CORS) func(http.Handler) http.Handler {
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
	} else { // browsers do not take "*" together with credentials
		options.AllowOriginFunc = originRule(cfg)
	}
	return cors.New(options).Handler
}

// originRule compares origins exactly, or with an expression that has to match
// all of one.
func originRule(cfg config.CORS) func(string) bool {
	if slices.Contains(cfg.AllowOrigins, "*") {
		return func(string) bool { return true }
	}
	return func(origin string) bool {
		return slices.Contains(cfg.AllowOrigins, origin) || cfg.AllowOriginRegex.MatchWhole(origin)
	}
}
