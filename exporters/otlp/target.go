package otlp

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
)

// target is a Config taken apart.
type target struct {
	Config
	url    *url.URL
	secure *tls.Config // nil: the system's
}

// target takes the config apart. path is OTLP's own for the signal.
func (cfg Config) target(path string) (*target, error) {
	cfg = cfg.withDefaults()
	endpoint := cfg.Endpoint
	if !strings.Contains(endpoint, "://") {
		scheme := "https://"
		if cfg.TLS.Insecure {
			scheme = "http://"
		}
		endpoint = scheme + endpoint
	}
	at, err := url.Parse(endpoint)
	if err != nil || at.Scheme != "http" && at.Scheme != "https" || at.Host == "" {
		return nil, errors.New("endpoint: must be a URL of http or https") // without it: it may hold a password
	}
	if at.Path = strings.TrimSuffix(at.Path, "/"); at.Path == "" || cfg.Base {
		at.Path += path
	}
	if cfg.GRPC && at.Port() == "" {
		at.Host = net.JoinHostPort(at.Hostname(), "4317")
	}
	secure, err := cfg.TLS.config()
	return &target{cfg, at, secure}, err
}

// plain reports whether there is no TLS.
func (t *target) plain() bool { return t.url.Scheme == "http" }

// The SDK's exporters read OpenTelemetry's variables from the environment by
// themselves, below their options. So every option is given, whichever way it
// is: what is left out would be decided by whoever sets the environment, and
// could send headers in plain text.

// httpURL is where HTTP sends to, without user info.
func (t *target) httpURL() string {
	return (&url.URL{Scheme: t.url.Scheme, Host: t.url.Host, Path: t.url.Path}).String()
}

// httpTLS is how HTTP is secured; nil: by the system's authorities, or not.
func (t *target) httpTLS() *tls.Config {
	if t.plain() {
		return nil
	}
	return t.secure
}

// credentials are how gRPC is secured, or that it is not.
func (t *target) credentials() credentials.TransportCredentials {
	if t.plain() {
		return insecure.NewCredentials()
	}
	return credentials.NewTLS(t.secure)
}

// dial has gRPC compress, or not, which the exporters' own option cannot say
// both of, and tell who made a status.
func (t *target) dial() []grpc.DialOption {
	compressor := ""
	if t.Gzip {
		compressor = gzip.Name
	}
	return []grpc.DialOption{
		grpc.WithDefaultCallOptions(grpc.UseCompressor(compressor)),
		grpc.WithStatsHandler(answers{}),
		grpc.WithChainUnaryInterceptor(answers{}.mark),
	}
}

// retries has the fields of the exporters' types.
type retries struct {
	Enabled                                      bool
	InitialInterval, MaxInterval, MaxElapsedTime time.Duration
}

func (t *target) retries() retries {
	return retries{!t.Retry.Off, t.Retry.Initial, t.Retry.Max, t.Timeout}
}

// headers are those given, and the endpoint's user info as basic
// authorization, as HTTP clients send it. The case of names makes no
// difference, as it makes none on the wire.
func (t *target) headers() map[string]string {
	headers := map[string]string{}
	if user := t.url.User; user != nil {
		password, _ := user.Password()
		headers["Authorization"] = "Basic " + base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password))
	}
	for _, name := range slices.Sorted(maps.Keys(t.Headers)) {
		headers[http.CanonicalHeaderKey(name)] = t.Headers[name]
	}
	return headers
}
