package config

import (
	"errors"
	"io/fs"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/http/httpguts"
)

// Validate returns a joined error with a [Problem] for each error in c, or nil.
// It opens no file.
func (c Config) Validate() error {
	var found problems
	eachValue(root(), nil, reflect.ValueOf(c), func(k *key, at []string, v reflect.Value) {
		if k.kind == section {
			return
		}
		if text := k.outside(v); text != "" {
			found.add(strings.Join(at, "."), text)
		}
		if s, ok := v.Interface().(string); ok && !utf8.ValidString(s) {
			found.add(strings.Join(at, "."), "must be valid UTF-8")
		}
	})
	if text := hostProblem(c.HTTP.Host, "http.port"); text != "" {
		found.add("http.host", text)
	}
	found.socket(c.HTTP.Socket)
	found.proxies(c.HTTP.Proxies)
	found.auth(c.HTTP.Auth)
	if !validPrefix(c.HTTP.PathPrefix) {
		found.add("http.path_prefix", "must be empty, or a path such as /ml: a slash first and none last, no empty, . or .. segment, no space and none of % ? # { } * \\, found "+quote(c.HTTP.PathPrefix))
	}
	for _, key := range endpointKeys(c) {
		if key.table != "metrics.endpoints" && !strings.HasPrefix(key.route, "/") { // views checks its own
			found.add(key.table+"."+key.route, "must be a route that starts with a slash, such as /"+key.route)
		}
	}
	found.admin(c)
	found.conventions(c.Metrics)
	found.views(c.Metrics.Views.Validate())
	found.traffic(c)
	found.cors(c.HTTP.CORS)
	found.ssl(c.SSL)
	found.tracing(c.Tracing)
	found.endpoints(c)
	found.otlp(c.OTLP)
	found.tasks(c.Tasks)
	return errors.Join(found...)
}

// validPrefix reports whether prefix is "" or could begin a route.
func validPrefix(prefix string) bool {
	special := func(r rune) bool {
		return r <= ' ' || r == 0x7f || unicode.IsSpace(r) || strings.ContainsRune(`%?#{}*\`, r)
	}
	return prefix == "" || strings.HasPrefix(prefix, "/") && prefix != "/" && path.Clean(prefix) == prefix && !strings.ContainsFunc(prefix, special)
}

type problems []error

func (p *problems) add(key, text string) { *p = append(*p, &Problem{Key: key, Text: text}) }

// socket reports a path that the system would not take, or that would be a socket without a
// file, and permissions that are none.
func (p *problems) socket(s Socket) {
	if s.Path != "" && (!strings.HasPrefix(s.Path, "/") || len(s.Path) > longestSocket || strings.ContainsRune(s.Path, 0)) {
		p.add("http.socket", "must be an absolute path of at most "+strconv.Itoa(longestSocket)+" bytes, such as /run/ekiben/http.sock, found "+quote(s.Path))
	}
	if _, err := s.FileMode(); err != nil {
		p.add("http.socket_mode", "must be three or four octal digits in quotes, such as \"0660\", found "+quote(s.Mode))
	}
}

// longestSocket is what every system takes; Linux takes four bytes more.
const longestSocket = 103

// FileMode returns the permissions that Mode names. 0: those of the umask.
func (s Socket) FileMode() (fs.FileMode, error) {
	if s.Mode == "" {
		return 0, nil
	}
	if len(s.Mode) < 3 || len(s.Mode) > 4 {
		return 0, strconv.ErrSyntax
	}
	bits, err := strconv.ParseUint(s.Mode, 8, 9)
	return fs.FileMode(bits), err
}

// conventions reports unknown conventions, and an empty list while metrics are on: it would
// measure nothing, and nobody would see why.
func (p *problems) conventions(m Metrics) {
	if len(m.Conventions) == 0 && m.Enabled {
		p.add("metrics.conventions", "must list bentoml, http, gen_ai, rpc or several of them; to measure nothing, set metrics.enabled to false")
	}
	for _, name := range m.Conventions {
		if !slices.Contains([]string{"bentoml", "http", "gen_ai", "rpc"}, name) {
			p.add("metrics.conventions", "must list bentoml, http, gen_ai, rpc or several of them, found "+quote(name))
		}
	}
}

// views adds the errors of package views, each of which begins with its key.
func (p *problems) views(err error) {
	for _, one := range Problems(err) {
		key, text, _ := strings.Cut(one.Error(), ": ")
		p.add("metrics."+key, text)
	}
}

// traffic reports names that no header can have.
func (p *problems) traffic(c Config) {
	header := func(key, name string) {
		if name != "" && !httpguts.ValidHeaderFieldName(name) {
			p.add(key, "must be empty or the name of a header, such as X-Tenant, found "+quote(name))
		}
	}
	header("traffic.priority_header", c.Traffic.PriorityHeader)
	header("traffic.tenant_header", c.Traffic.TenantHeader)
	for _, name := range slices.Sorted(maps.Keys(c.Services)) {
		own := c.Services[name].Traffic
		header("services."+name+".traffic.priority_header", or(own.PriorityHeader, ""))
		header("services."+name+".traffic.tenant_header", or(own.TenantHeader, ""))
	}
}

// cors reports rules that would let no origin in, or that a browser cannot read.
func (p *problems) cors(c CORS) {
	if c.Enabled && len(c.AllowOrigins) == 0 && c.AllowOriginRegex.IsZero() {
		p.add("http.cors.access_control_allow_origins", "must be given when cors is enabled: a list of origins, or \"*\"")
	}
	p.tokens("http.cors.access_control_allow_methods", c.AllowMethods)
	p.tokens("http.cors.access_control_allow_headers", c.AllowHeaders)
	p.tokens("http.cors.access_control_expose_headers", c.ExposeHeaders)
}

// tokens reports items that cannot be a method or the name of a header.
func (p *problems) tokens(key string, items []string) {
	for _, item := range items {
		if !httpguts.ValidHeaderFieldName(item) {
			p.add(key, "must list names of letters, digits and hyphens, or \"*\", found "+quote(item))
		}
	}
}

// ssl reports keys that lack another one. Whether the files can be read is known only when
// the app starts, see package tlsfiles.
func (p *problems) ssl(s SSL) {
	if s.Enabled && s.CertFile == "" {
		p.add("ssl.certfile", "must be given when ssl is enabled")
	}
	if s.Enabled && s.CertReqs > 0 && s.CACerts == "" {
		p.add("ssl.ca_certs", "must be given when cert_reqs asks for client certificates")
	}
}

// tracing reports unknown formats of trace context.
func (p *problems) tracing(t Tracing) {
	for _, name := range t.Propagators {
		if !slices.Contains(propagators, name) {
			p.add("tracing.propagators", "must list only "+strings.Join(propagators, ", ")+", found "+quote(name))
		}
	}
}

// propagators lists the formats of trace context, with the names of
// OTEL_PROPAGATORS.
var propagators = []string{"tracecontext", "baggage", "b3", "b3multi"}

// otlp reports headers that cannot be sent, and a client certificate without its key. Half of
// a pair in a signal is reported there only if the signal gives it; else otlp.tls has it.
func (p *problems) otlp(o OTLP) {
	for table, headers := range map[string]map[string]Secret{"otlp.headers": o.Headers, "otlp.metrics.headers": o.Metrics.Headers, "otlp.traces.headers": o.Traces.Headers, "otlp.logs.headers": o.Logs.Headers} {
		for name, value := range headers {
			if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value.Reveal()) {
				p.add(table+"."+name, "must be a header: a name of letters, digits and hyphens, and a value without control characters")
			}
		}
	}
	half := func(t OTLPTLS) bool { return (t.Cert == "") != (t.Key == "") }
	if half(o.TLS) {
		p.add("otlp.tls", "must have both cert and key, or neither")
	}
	for key, s := range map[string]OTLPSignal{"otlp.metrics.tls": o.Metrics, "otlp.traces.tls": o.Traces, "otlp.logs.tls": o.Logs} {
		if half(o.of(s).TLS) && (s.TLS.Cert != "" || s.TLS.Key != "") { // else otlp.tls is reported
			p.add(key, "must have both cert and key, or neither")
		}
	}
}

// endpoints reports endpoints that cannot be used. An endpoint without a scheme is an
// error only where it is pushed to over HTTP, and where tls.insecure does not say that
// http:// is meant: OTEL_EXPORTER_OTLP_ENDPOINT may be meant for other programs.
func (p *problems) endpoints(c Config) {
	overHTTP := map[string]bool{}
	for section, push := range map[string]Push{"otlp.metrics": c.PushMetrics(), "otlp.traces": c.PushTraces(), "otlp.logs": c.PushLogs()} {
		if push.Base {
			section = "otlp"
		}
		overHTTP[section] = overHTTP[section] || push.Enabled && push.Protocol == "http/protobuf" && !push.TLS.Insecure
	}
	for section, endpoint := range map[string]URL{"otlp": c.OTLP.Endpoint, "otlp.metrics": c.OTLP.Metrics.Endpoint, "otlp.traces": c.OTLP.Traces.Endpoint, "otlp.logs": c.OTLP.Logs.Endpoint} {
		if text := endpointProblem(endpoint.Reveal(), overHTTP[section]); text != "" && !endpoint.IsZero() {
			p.add(section+".endpoint", text)
		}
	}
}

// endpointProblem returns what is wrong with an endpoint, or "". It must be a URL with
// http or https. For grpc it may also be host:port, as OpenTelemetry specifies.
func endpointProblem(text string, overHTTP bool) string {
	const must = "must be a URL such as http://localhost:4318"
	scheme := strings.Contains(text, "://")
	if !scheme {
		text = "http://" + text
	}
	at, err := url.Parse(text)
	switch {
	case err != nil || at.Scheme != "http" && at.Scheme != "https" || at.Host == "" || !scheme && at.Hostname() == "" || strings.ContainsAny(text, " \t\r\n"):
		if overHTTP {
			return must
		}
		return must + ", or host:port for grpc"
	case strings.HasSuffix(at.Host, ":") || at.Port() != "" && !validPort(at.Port()):
		return must + ": its port must be between 1 and 65535"
	case overHTTP && !scheme:
		return must + ", found no scheme: write http:// or https:// before it; only for grpc, or with tls.insecure, may it be host:port"
	}
	return ""
}

func validPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0
}

var (
	hostName = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?$`)
	dotted   = regexp.MustCompile(`^[0-9.]+$`) // an IPv4 address, right or wrong
)

// hostProblem returns what is wrong with an address to listen on, or "". portKey is the key
// of its port.
func hostProblem(host, portKey string) string {
	if _, err := netip.ParseAddr(host); err == nil || host == "" || hostName.MatchString(host) && !dotted.MatchString(host) {
		return ""
	}
	text := "must be an IP address such as 127.0.0.1 or ::1, or the name of a host, found " + quote(host)
	if inner := strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"); inner != host && hostProblem(inner, portKey) == "" {
		return text + ": write " + inner + ", without brackets"
	}
	if name, port, err := net.SplitHostPort(host); err == nil && validPort(port) && hostProblem(name, portKey) == "" {
		return text + ": the port belongs to " + portKey + ": " + port
	}
	return text
}
