// Package config is config.yaml as structs: their defaults, how files,
// variables and flags are laid over them, and what is refused.
//
// The structs are the one description of the configuration. Each field's tags
// give its key (koanf), what it means (doc), its unit, the values it may have
// (min, max, oneof), and whether it can change while a server runs (reload).
// `ekiben explain`, `ekiben schema`, config.yaml and docs/configuration.md are
// made of them.
package config

import (
	"cmp"
	"log/slog"
	"maps"
	"time"

	"github.com/ekiben-serving/ekiben/exporters/prometheus"
	"github.com/ekiben-serving/ekiben/views"
)

// Config is everything a user can set. Keys are BentoML's where BentoML has
// one. Start from [Default]: the zero Config has metrics off and no limits.
type Config struct {
	App         App                `koanf:"app" doc:"The identity of what is served, BentoML's bento."`
	HTTP        HTTP               `koanf:"http" doc:"Where and how the entry service is served."`
	SSL         SSL                `koanf:"ssl" doc:"TLS. Files are read at start."`
	Traffic     Traffic            `koanf:"traffic" doc:"What a service takes on."`
	Batching    Batching           `koanf:"batching" doc:"How batchable APIs merge requests. What is not given is as the API declares it."`
	Workers     *int               `koanf:"workers" also:"cpu_count" min:"1" reload:"true" doc:"Batches that one API runs at once, over what it declares; its function must be safe for that many. cpu_count: as many as the process has processors."`
	RunnerProbe RunnerProbe        `koanf:"runner_probe" doc:"Whether /readyz asks the services that the entry service depends on."`
	Metrics     Metrics            `koanf:"metrics" doc:"What is measured, and how the page shows it."`
	Logging     Logging            `koanf:"logging" doc:"The log, on standard error."`
	Tracing     Tracing            `koanf:"tracing" doc:"Spans of requests and batches."`
	OTLP        OTLP               `koanf:"otlp" doc:"What is pushed to an OpenTelemetry collector, and how: metrics, and spans if tracing.enabled."`
	Shutdown    Shutdown           `koanf:"shutdown" doc:"How a server ends after SIGTERM."`
	Services    map[string]Service `koanf:"services" key:"NAME" doc:"Settings of single services, by name, over those above."`
}

// App is the identity of what is served, BentoML's "bento".
type App struct {
	Name    string `koanf:"name" doc:"The label service_name. Empty: the name of the entry service."`
	Version string `koanf:"version" doc:"The label service_version. Empty: \"not available\", as BentoML has it outside a bento."`
}

// HTTP is where and how the entry service is served.
type HTTP struct {
	Host        string   `koanf:"host" doc:"Address to listen on. Empty: all of them."`
	Port        int      `koanf:"port" min:"0" max:"65535" doc:"TCP port to listen on; 0 picks a free one."`
	PathPrefix  string   `koanf:"path_prefix" doc:"Put before every path, probes and /metrics included: /ml serves /ml/summarize."`
	H2C         bool     `koanf:"h2c" doc:"Accept HTTP/2 without TLS, from clients that begin with it (prior knowledge). HTTP/1.1 is served as before."`
	MaxBodySize int64    `koanf:"max_body_size" unit:"bytes" min:"0" reload:"true" doc:"Largest request body; a larger one is answered 413. 0: no limit."`
	Page        bool     `koanf:"page" doc:"Show browsers a page at /: the APIs to try, and metrics as they move. False: a list of routes in plain text, as everybody else gets it."`
	CORS        CORS     `koanf:"cors" doc:"Cross-origin requests from browsers."`
	Response    Response `koanf:"response" doc:"Headers of answers."`
}

// CORS is who may call from a browser, and how. Lists may be written as one
// text; "*" in them is any.
type CORS struct {
	Enabled          bool     `koanf:"enabled" doc:"Answer cross-origin requests. Needs allow_origins or allow_origin_regex."`
	AllowOrigins     []string `koanf:"access_control_allow_origins" doc:"Origins that may call: https://example.org; \"*\" is any."`
	AllowOriginRegex Pattern  `koanf:"access_control_allow_origin_regex" doc:"A regular expression (RE2) that a whole origin must match, beside the list."`
	AllowCredentials bool     `koanf:"access_control_allow_credentials" doc:"Let browsers send cookies and authorization."`
	AllowMethods     []string `koanf:"access_control_allow_methods" doc:"Methods that may be used; \"*\" is any. None given: GET."`
	AllowHeaders     []string `koanf:"access_control_allow_headers" doc:"Request headers that may be sent, beside Accept, Accept-Language, Content-Language and Content-Type; \"*\" is any."`
	MaxAge           int      `koanf:"access_control_max_age" unit:"seconds" min:"0" doc:"How long a browser may remember a preflight. 0: 600."`
	ExposeHeaders    []string `koanf:"access_control_expose_headers" doc:"Answer headers that scripts may read."`
}

// Response is what answers carry beside their content.
type Response struct {
	TraceID bool `koanf:"trace_id" doc:"Send the trace's id as X-BentoML-Trace-ID. Needs tracing.enabled."`
}

// SSL is TLS, in BentoML's words.
type SSL struct {
	Enabled             bool   `koanf:"enabled" doc:"Serve HTTPS. Needs certfile."`
	CertFile            string `koanf:"certfile" doc:"Certificate chain, a PEM file."`
	KeyFile             string `koanf:"keyfile" doc:"Its private key, a PEM file. Empty: it is in certfile."`
	KeyFilePassword     Secret `koanf:"keyfile_password" doc:"Password of an encrypted key (PEM with DEK-Info)."`
	KeyFilePasswordFile string `koanf:"keyfile_password_file" doc:"File that holds keyfile_password."`
	CACerts             string `koanf:"ca_certs" doc:"Certificate authorities of client certificates, a PEM file."`
	CertReqs            int    `koanf:"cert_reqs" min:"0" max:"2" doc:"Client certificates, as Python numbers them: 0 not asked for, 1 optional, 2 required. 1 and 2 need ca_certs."`
}

// Traffic limits what a service takes on.
type Traffic struct {
	Timeout        time.Duration              `koanf:"timeout" unit:"seconds" min:"0" reload:"true" doc:"A request that takes longer is answered 504. 0: no limit."`
	MaxConcurrency int                        `koanf:"max_concurrency" min:"0" reload:"true" doc:"Requests a service works on at once; one more is answered 429. 0: no limit."`
	Endpoints      map[string]EndpointTraffic `koanf:"endpoints" key:"ROUTE" doc:"Limits of single endpoints, by route, over those above: {/encode: {timeout: 5}}."`
}

// EndpointTraffic is [Traffic] for one endpoint. Nil inherits the service's
// limit; 0 is no limit.
type EndpointTraffic struct {
	Timeout        *time.Duration `koanf:"timeout" unit:"seconds" min:"0" reload:"true" doc:"Over the timeout of the service."`
	MaxConcurrency *int           `koanf:"max_concurrency" min:"0" reload:"true" doc:"Over the max_concurrency of the service, for this endpoint's requests alone."`
}

// Batching overrides what batchable APIs declare. Nil means "as declared".
type Batching struct {
	Enabled       bool           `koanf:"enabled" reload:"true" doc:"Merge requests of batchable APIs. False: every call is a batch of one request."`
	MaxBatchSize  *int           `koanf:"max_batch_size" min:"1" reload:"true" doc:"Most items one call of the function is given. The boundaries of adaptive_batch_size stay as they were at start."`
	MaxLatency    *time.Duration `koanf:"max_latency_ms" unit:"milliseconds" min:"1" reload:"true" doc:"How long a request may take, queue and function together; one that would take longer is refused with 503."`
	MaxQueue      *int           `koanf:"max_queue" min:"0" reload:"true" doc:"Items that may be queued; a request that finds no room is refused with 503. 0: no limit but max_latency_ms."`
	Policy        string         `koanf:"policy" oneof:",adaptive,idle,window" reload:"true" doc:"When a batch goes that is not full. adaptive: at once, unless waiting for one more pays; idle: at once; window: window_ms after its first request. Empty: as declared, or adaptive."`
	Window        *time.Duration `koanf:"window_ms" unit:"milliseconds" min:"0" reload:"true" doc:"How long the policy window waits."`
	FailurePolicy string         `koanf:"failure_policy" oneof:",isolate,fail" reload:"true" doc:"What becomes of a batch of which one item makes the function fail. isolate: that item fails alone, where the function names it or may be called again; fail: every item fails. Empty: as declared, or isolate."`
	ServerTiming  bool           `koanf:"server_timing" reload:"true" doc:"Answer with Server-Timing: time in queue, time in the function, and the batch."`
}

// RunnerProbe is how readiness looks at dependencies.
type RunnerProbe struct {
	Enabled bool          `koanf:"enabled" doc:"/readyz is 503 while a service that the entry service depends on is not ready."`
	Timeout time.Duration `koanf:"timeout" unit:"seconds" min:"0" reload:"true" doc:"How long the checks given with Service.Ready may take together. 0: no limit."`
}

// Metrics is what is measured and how the page shows it.
type Metrics struct {
	Enabled      bool              `koanf:"enabled" doc:"False: nothing is measured and /metrics is 404."`
	Conventions  []string          `koanf:"conventions" doc:"Whose names requests are measured under: bentoml, http (http.server.request.duration, as OpenTelemetry's semantic conventions have it), or both."`
	Views        views.Config      `koanf:",squash"`
	Page         prometheus.Config `koanf:",squash"`
	ClientClosed int               `koanf:"client_closed" oneof:"200,499" reload:"true" doc:"Status that a request is counted under whose client hung up: 200 as BentoML, or 499."`
	GoRuntime    bool              `koanf:"go_runtime" doc:"Metrics of the Go runtime, by OpenTelemetry's names: go_memory_used_bytes, go_goroutine_count and the like."`
	MaxSeries    int               `koanf:"max_series" min:"0" doc:"Series one instrument keeps; what comes after is summed under otel_metric_overflow=\"true\". 0: no limit."`
}

// Logging is what the log says and how.
type Logging struct {
	Level     slog.Level `koanf:"level" oneof:"debug,info,warn,error" reload:"true" doc:"Lowest level that is logged."`
	Format    string     `koanf:"format" oneof:"text,json,bentoml" doc:"text, json, or bentoml: the lines that BentoML writes."`
	AccessLog AccessLog  `koanf:"access" doc:"The line that a request leaves."`
}

// AccessLog is the log line a request leaves. The parts it can leave out are
// those of BentoML's line; text and json lines leave out the same.
type AccessLog struct {
	Enabled               bool      `koanf:"enabled" reload:"true" doc:"Log a line for each request. The level warn and cut=true: shutdown.grace ended before the answer did; status 0: before it began."`
	RequestContentLength  bool      `koanf:"request_content_length" reload:"true" doc:"With the request's length."`
	RequestContentType    bool      `koanf:"request_content_type" reload:"true" doc:"With the request's type."`
	ResponseContentLength bool      `koanf:"response_content_length" reload:"true" doc:"With the answer's length."`
	ResponseContentType   bool      `koanf:"response_content_type" reload:"true" doc:"With the answer's type."`
	SkipPaths             []string  `koanf:"skip_paths" reload:"true" doc:"Paths without a line."`
	Format                IDFormats `koanf:"format" doc:"How ids are written, in Python's format specifications."`
}

// IDFormats are the formats of the ids in the log and in response headers.
type IDFormats struct {
	TraceID IDFormat `koanf:"trace_id" reload:"true" doc:"The trace's id in the log, and in X-BentoML-Trace-ID."`
	SpanID  IDFormat `koanf:"span_id" reload:"true" doc:"The span's id in the log, and in X-BentoML-Request-ID."`
}

// Tracing is whether requests leave spans, and where they go.
type Tracing struct {
	Enabled           bool      `koanf:"enabled" doc:"Make spans, and pass trace context on."`
	SampleRate        float64   `koanf:"sample_rate" min:"0" max:"1" reload:"true" doc:"Share of new traces that are recorded."`
	ParentBased       bool      `koanf:"parent_based" doc:"Follow the caller's decision to record where there is a caller. False: sample_rate decides for every request, by its trace's id."`
	ExcludedURLs      []Pattern `koanf:"excluded_urls" doc:"Regular expressions (RE2); a request whose URL one of them matches leaves no span."`
	MaxTagValueLength int       `koanf:"max_tag_value_length" min:"0" doc:"Characters that a span attribute keeps. 0: no limit."`
	Propagators       []string  `koanf:"propagators" doc:"How trace context comes in and is passed on: tracecontext, baggage, b3 (one header), b3multi."`
	TrustIncoming     bool      `koanf:"trust_incoming" doc:"A request's trace goes on with the caller's; parent_based says whose decision to record counts. False: each request begins a trace of its own, linked to the caller's."`
}

// Shutdown is how a server ends.
type Shutdown struct {
	Delay time.Duration `koanf:"delay" unit:"seconds" min:"0" reload:"true" doc:"Still accept requests this long after SIGTERM, with /readyz at 503: what your load balancer needs to notice."`
	Idle  time.Duration `koanf:"idle" unit:"seconds" min:"0" reload:"true" doc:"Wait this long for keep-alive connections without a request, so that their next request is answered rather than reset."`
	Grace time.Duration `koanf:"grace" unit:"seconds" min:"0" reload:"true" doc:"Wait this long for running requests."`
}

// Service overrides keys for one service, by its name. Nil means "as above".
type Service struct {
	Traffic  ServiceTraffic  `koanf:"traffic" doc:"Over traffic."`
	Batching ServiceBatching `koanf:"batching" doc:"Over batching."`
	Workers  *int            `koanf:"workers" also:"cpu_count" min:"1" reload:"true" doc:"Over workers."`
}

// ServiceTraffic is [Traffic] with every key optional.
type ServiceTraffic struct {
	Timeout        *time.Duration             `koanf:"timeout" unit:"seconds" min:"0" reload:"true" doc:"Over traffic.timeout."`
	MaxConcurrency *int                       `koanf:"max_concurrency" min:"0" reload:"true" doc:"Over traffic.max_concurrency."`
	Endpoints      map[string]EndpointTraffic `koanf:"endpoints" key:"ROUTE" doc:"Over traffic.endpoints."`
}

// ServiceBatching is [Batching] with every key optional.
type ServiceBatching struct {
	Enabled       *bool          `koanf:"enabled" reload:"true" doc:"Over batching.enabled."`
	MaxBatchSize  *int           `koanf:"max_batch_size" min:"1" reload:"true" doc:"Over batching.max_batch_size."`
	MaxLatency    *time.Duration `koanf:"max_latency_ms" unit:"milliseconds" min:"1" reload:"true" doc:"Over batching.max_latency_ms."`
	MaxQueue      *int           `koanf:"max_queue" min:"0" reload:"true" doc:"Over batching.max_queue."`
	Policy        *string        `koanf:"policy" oneof:",adaptive,idle,window" reload:"true" doc:"Over batching.policy."`
	Window        *time.Duration `koanf:"window_ms" unit:"milliseconds" min:"0" reload:"true" doc:"Over batching.window_ms."`
	FailurePolicy *string        `koanf:"failure_policy" oneof:",isolate,fail" reload:"true" doc:"Over batching.failure_policy."`
	ServerTiming  *bool          `koanf:"server_timing" reload:"true" doc:"Over batching.server_timing."`
}

// TrafficOf returns the limits of the service called name, those of its
// endpoints included.
func (c Config) TrafficOf(name string) Traffic {
	own := c.Services[name].Traffic
	limits := Traffic{
		Timeout:        or(own.Timeout, c.Traffic.Timeout),
		MaxConcurrency: or(own.MaxConcurrency, c.Traffic.MaxConcurrency),
		Endpoints:      maps.Clone(c.Traffic.Endpoints),
	}
	for route, over := range own.Endpoints {
		if limits.Endpoints == nil {
			limits.Endpoints = map[string]EndpointTraffic{}
		}
		below := limits.Endpoints[route]
		limits.Endpoints[route] = EndpointTraffic{
			Timeout:        cmp.Or(over.Timeout, below.Timeout),
			MaxConcurrency: cmp.Or(over.MaxConcurrency, below.MaxConcurrency),
		}
	}
	return limits
}

// Namespace returns the prefix of the default metrics without the underscore
// after it: [views.Config].Namespace as a metric's name can hold it.
func (m Metrics) Namespace() string {
	namespace, _ := views.LegalNamespace(m.Views.Namespace) // an illegal one fails Validate
	return namespace
}

// BatchingOf returns what the service called name is given over what its APIs
// declare.
func (c Config) BatchingOf(name string) Batching {
	own, all := c.Services[name].Batching, c.Batching
	return Batching{
		Enabled:       or(own.Enabled, all.Enabled),
		MaxBatchSize:  cmp.Or(own.MaxBatchSize, all.MaxBatchSize),
		MaxLatency:    cmp.Or(own.MaxLatency, all.MaxLatency),
		MaxQueue:      cmp.Or(own.MaxQueue, all.MaxQueue),
		Policy:        or(own.Policy, all.Policy),
		Window:        cmp.Or(own.Window, all.Window),
		FailurePolicy: or(own.FailurePolicy, all.FailurePolicy),
		ServerTiming:  or(own.ServerTiming, all.ServerTiming),
	}
}

// WorkersOf returns how many batches an API of the service called name runs at
// once; 0: as many as the API declares.
func (c Config) WorkersOf(name string) int {
	return or(cmp.Or(c.Services[name].Workers, c.Workers), 0)
}

func or[T any](own *T, all T) T {
	if own != nil {
		return *own
	}
	return all
}

// Default returns the configuration of an empty file.
func Default() Config {
	return Config{
		HTTP:        HTTP{Host: "0.0.0.0", Port: 3000, MaxBodySize: 100 << 20, Page: true},
		Traffic:     Traffic{Timeout: 60 * time.Second},
		Batching:    Batching{Enabled: true},
		RunnerProbe: RunnerProbe{Enabled: true, Timeout: time.Second},
		Metrics: Metrics{
			Enabled:      true,
			Conventions:  []string{"bentoml"},
			Views:        views.Config{Namespace: views.DefaultNamespace},
			Page:         prometheus.DefaultConfig(),
			ClientClosed: 200,
			GoRuntime:    true,
			MaxSeries:    2000,
		},
		Logging: Logging{Level: slog.LevelInfo, Format: "text", AccessLog: AccessLog{
			Enabled:               true,
			RequestContentLength:  true,
			RequestContentType:    true,
			ResponseContentLength: true,
			ResponseContentType:   true,
			SkipPaths:             []string{"/metrics", "/healthz", "/livez", "/readyz"},
			Format:                IDFormats{TraceID: IDFormat{zeros: true, width: 32, verb: 'x'}, SpanID: IDFormat{zeros: true, width: 16, verb: 'x'}},
		}},
		Tracing:  Tracing{Propagators: []string{"tracecontext", "baggage"}, TrustIncoming: true, ParentBased: true},
		OTLP:     defaultOTLP(),
		Shutdown: Shutdown{Idle: 5 * time.Second, Grace: 30 * time.Second},
	}
}
