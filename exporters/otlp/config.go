package otlp

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Config says where and how one signal is sent. Its zero value sends over HTTP,
// without TLS, to http://localhost:4318. OTEL_ environment variables do not
// change it. The errors of [Config.Validate] begin with keys of a configuration file,
// such as otlp.endpoint.
type Config struct {
	// Endpoint is the collector's URL (http or https), or host:port. Over HTTP,
	// a URL without a path, or with the path /, gets /v1/metrics, /v1/traces or /v1/logs;
	// a URL with a path is used unchanged, unless Base is set. The query is sent
	// too. User info is sent as basic authorization. gRPC uses neither path nor
	// query. Errors show neither user info nor query, which may be secrets.
	// Default: localhost, at the protocol's port.
	Endpoint string
	// Base appends /v1/metrics, /v1/traces or /v1/logs to the path of Endpoint, for an
	// endpoint that serves all signals. Default: only an empty path is extended. gRPC ignores it.
	Base bool
	// Protocol is "http/protobuf" or "grpc"; "grpc" needs the import of
	// exporters/otlp/grpc. Default: "http/protobuf".
	Protocol string
	// Gzip compresses requests. Default: they are not compressed.
	Gzip bool
	// Timeout limits one export, including its retries. Default and meaning of 0: 10 s.
	Timeout time.Duration
	// Headers are sent with each request. They replace the authorization that
	// Endpoint's user info makes. The case of names does not matter.
	Headers map[string]string
	// TLS secures the connection to an endpoint with https, or without a scheme.
	TLS TLS
	// Retry repeats a request that failed. Default: it is repeated until Timeout.
	Retry Retry
}

// Retry says how a request is repeated within Config.Timeout, when the
// connection failed or the collector asked for a later attempt. A pause that
// the collector asks for replaces a shorter one.
type Retry struct {
	// Off disables retries. Default: false.
	Off bool
	// Initial is the first pause; each further one is longer by half, up to
	// Max. Half of a pause is random. Default and meaning of 0: 5 s.
	Initial time.Duration
	// Max is the longest pause. Default and meaning of 0: 30 s, or Initial if that is
	// longer.
	Max time.Duration
}

// The legal values of Config.Protocol.
const (
	ProtocolHTTP = "http/protobuf"
	ProtocolGRPC = "grpc"
)

const (
	defaultTimeout      = 10 * time.Second
	defaultInitialRetry = 5 * time.Second
	defaultMaxRetry     = 30 * time.Second
)

// withDefaults replaces each zero value by its default.
func (cfg Config) withDefaults() Config {
	set := func(value *time.Duration, fallback time.Duration) {
		if *value == 0 {
			*value = fallback
		}
	}
	set(&cfg.Timeout, defaultTimeout)
	set(&cfg.Retry.Initial, defaultInitialRetry)
	set(&cfg.Retry.Max, max(defaultMaxRetry, cfg.Retry.Initial))
	if cfg.Protocol == "" {
		cfg.Protocol = ProtocolHTTP
	}
	return cfg
}

// Validate returns all errors of the configuration, joined. It reads the TLS
// files, and connects to nothing. [NewMetricExporter], [NewTraceExporter]
// and [NewLogExporter] return the same errors.
func (cfg Config) Validate() error {
	_, _, err := cfg.resolve(Metrics)
	return err
}

// resolve returns the protocol and the target of a signal.
func (cfg Config) resolve(signal Signal) (Protocol, Target, error) {
	cfg = cfg.withDefaults()
	protocol, errProtocol := lookup(cfg.Protocol)
	at, errEndpoint := cfg.url(cmp.Or(protocol.Endpoint, "http://localhost"), signal) // the latter with errProtocol only
	secure, errTLS := cfg.TLS.config()
	err := errors.Join(errProtocol, errEndpoint, errTLS, checkHeaders(cfg.Headers),
		notNegative("timeout", cfg.Timeout), notNegative("retry.initial", cfg.Retry.Initial), notNegative("retry.max", cfg.Retry.Max))
	if err != nil {
		return Protocol{}, Target{}, err
	}
	target := Target{Signal: signal, URL: at, Headers: cfg.headers(at.User), Gzip: cfg.Gzip}
	if at.User = nil; at.Scheme == "https" {
		target.TLS = secure
	}
	return protocol, target, nil
}

// notNegative returns an error that names a key if its duration is negative; 0 is the
// default.
func notNegative(key string, d time.Duration) error {
	if d < 0 {
		return fmt.Errorf("otlp.%s: must not be negative, found %s", key, d)
	}
	return nil
}

// url returns the endpoint with scheme and path, without its fragment. Its error does
// not repeat the endpoint, which may hold a password.
func (cfg Config) url(fallback string, signal Signal) (*url.URL, error) {
	endpoint := cfg.Endpoint
	if endpoint == "" {
		endpoint = fallback
	}
	if !strings.Contains(endpoint, "://") {
		scheme := "https://"
		if cfg.TLS.Insecure {
			scheme = "http://"
		}
		endpoint = scheme + endpoint
	}
	at, err := url.Parse(endpoint)
	if err != nil || at.Scheme != "http" && at.Scheme != "https" || at.Hostname() == "" {
		return nil, errors.New("otlp.endpoint: must be a URL of http or https, or host:port")
	}
	if at.Path == "" || at.Path == "/" || cfg.Base {
		at = at.JoinPath("v1", string(signal))
	}
	at.Fragment, at.RawFragment = "", ""
	return at, nil
}

// shown returns the text of a URL for errors: without user info and fragment, and
// with <secret> for the query.
func shown(at *url.URL) string {
	public := *at
	public.User, public.Fragment, public.RawFragment = nil, "", ""
	if public.RawQuery != "" {
		public.RawQuery = "<secret>"
	}
	return public.String()
}

// headers returns the configured headers, by canonical name, and the
// authorization of the endpoint's user info.
func (cfg Config) headers(user *url.Userinfo) map[string]string {
	headers := map[string]string{}
	if user != nil {
		password, _ := user.Password()
		headers["Authorization"] = "Basic " + base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password))
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Headers)) {
		headers[http.CanonicalHeaderKey(name)] = cfg.Headers[name]
	}
	return headers
}

var (
	headerName  = regexp.MustCompile("^[-!#$%&'*+.^_`|~0-9A-Za-z]+$")
	headerValue = regexp.MustCompile(`^[\t -~\x80-\xff]*$`)
)

// checkHeaders returns an error for each illegal header. Values are secrets,
// which the errors do not repeat.
func checkHeaders(headers map[string]string) error {
	var all []error
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		if !headerName.MatchString(name) {
			all = append(all, fmt.Errorf("otlp.headers: names must be HTTP header names, found %q", name))
		}
		if !headerValue.MatchString(headers[name]) {
			all = append(all, fmt.Errorf("otlp.headers: the value of %q must have no control characters", name))
		}
	}
	return errors.Join(all...)
}
