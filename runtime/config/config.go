// Package config reads the configuration of an app: from files, variables and
// flags, in Ekiben's layout or in BentoML's.
//
// [FromEnvironment] gives the source that most programs use, [Source.Load]
// reads it, and [Loaded].Config is the result. A program that reads nothing
// starts from [Default] and sets fields. [Loaded.Explain] says where a value
// comes from.
//
// Every error is reported at once, each with its file and line, its key, what
// was found and what would be right; see [Problem].
//
// Each struct below [Config] is a section of the file, and its comment shows the
// section. The tags of a field describe its key: the name (koanf), the meaning
// (doc), the unit of a number, the values that are allowed (min, max, oneof), and
// whether a reload changes it (reload). config.yaml, [Schema] and
// docs/configuration.md are generated from them.
//
// Read on: docs/configuration.md explains files, variables, flags and reloads.
package config

import (
	"log/slog"
	"time"

	"github.com/ekiben-serving/ekiben/exporters/prometheus"
	"github.com/ekiben-serving/ekiben/views"
)

// Config holds every setting; its sections are the top level of the file:
//
//	http: {port: 8080}
//	traffic: {timeout: 10}
//	workers: 2
//	services:
//	  Encoder: {batching: {max_batch_size: 32}}
//
// A key has BentoML's name if BentoML has that setting. Start from [Default]: the
// zero Config is not valid, because some keys, such as logging.format, need a value.
// Pass a Config by value. Copies share its maps and slices, so do not modify those
// while a server uses a copy.
type Config struct {
	App         App                `koanf:"app" doc:"Identity of the app that is served, which BentoML calls a bento."`
	HTTP        HTTP               `koanf:"http" doc:"How the entry service is served."`
	Files       Files              `koanf:"files" doc:"Files of requests: parts of a form, or whole bodies."`
	Admin       Admin              `koanf:"admin" doc:"A second address for operators, the admin door."`
	SSL         SSL                `koanf:"ssl" doc:"TLS. Certificates and the key are read again when their files change."`
	Traffic     Traffic            `koanf:"traffic" doc:"Limits of each service."`
	Batching    Batching           `koanf:"batching" doc:"How batchable APIs merge requests. Without a value, the API's own applies."`
	Tasks       Tasks              `koanf:"tasks" doc:"How tasks are kept and run, which runtime.HandleTask declares."`
	Workers     *int               `koanf:"workers" also:"cpu_count" min:"1" max:"4096" reload:"true" doc:"Batches that one API runs at the same time. Its function must be safe for that many calls at once. cpu_count: one for each processor. Null: as the API declares."`
	RunnerProbe RunnerProbe        `koanf:"runner_probe" doc:"How /readyz checks the services of the app."`
	Metrics     Metrics            `koanf:"metrics" doc:"What is measured, and what /metrics shows."`
	Logging     Logging            `koanf:"logging" doc:"The log, on standard error."`
	Tracing     Tracing            `koanf:"tracing" doc:"Spans of requests and batches."`
	Slow        Slow               `koanf:"slow" doc:"Records of slow requests."`
	OTLP        OTLP               `koanf:"otlp" doc:"How metrics, log lines, and spans if tracing.enabled, are pushed to an OpenTelemetry collector."`
	Shutdown    Shutdown           `koanf:"shutdown" doc:"How a server ends after SIGTERM."`
	Services    map[string]Service `koanf:"services" key:"NAME" doc:"Settings of one service, by its name. They override the keys above."`
}

// App is the identity of the app that is served. BentoML calls it a bento. The labels
// of BentoML's metrics and the resource of OTLP have both values:
//
//	app: {name: summarizer, version: 1.4.2}
//
// The zero App takes the name of the entry service and the version "not available".
type App struct {
	Name    string `koanf:"name" doc:"The label service_name. Empty: the name of the entry service."`
	Version string `koanf:"version" doc:"The label service_version. Empty: \"not available\", as BentoML has it outside a bento."`
}

// HTTP is how the entry service is served:
//
//	http:
//	  port: 8080
//	  path_prefix: /ml
//	  max_body_size: 10MiB
//
// Zeros: Port 0 is a free port, and the three maxima 0 are no limits. A reload changes these
// and Auth only. The keys of Socket and Proxies are keys of this section.
type HTTP struct {
	Host              string   `koanf:"host" doc:"Address to listen on. Empty: every address."`
	Port              int      `koanf:"port" min:"0" max:"65535" doc:"TCP port to listen on. 0: a free port."`
	Socket            Socket   `koanf:",squash"`
	Proxies           Proxies  `koanf:",squash"`
	PathPrefix        string   `koanf:"path_prefix" doc:"Prefix of every path, probes and /metrics included: with /ml, /summarize becomes /ml/summarize."`
	H2C               bool     `koanf:"h2c" doc:"Accept HTTP/2 without TLS from clients that start with it (prior knowledge). HTTP/1.1 works as before."`
	MaxBodySize       int64    `koanf:"max_body_size" unit:"bytes" min:"0" reload:"true" doc:"Largest request body. The response to a larger one is 413. 0: no limit."`
	MaxBodies         int64    `koanf:"max_bodies" unit:"bytes" min:"0" reload:"true" doc:"Largest size of all request bodies and of large responses that are in memory at the same time. The response to a request whose body finds no room is 503. Bodies up to 4 KiB and files on disk do not count. 0: no limit."`
	MaxOverdue        int      `koanf:"max_overdue" min:"0" reload:"true" doc:"Largest number of functions that run on after the 504 of their request. While as many run, the response to other requests is 503. 0: no limit."`
	Limits            Limits   `koanf:"limits" doc:"Limits of slow clients. The limits of requests are in traffic."`
	OpenInference     bool     `koanf:"open_inference" doc:"Serve the APIs over the Open Inference Protocol too, below /v2, as KServe, Triton and MLServer speak it."`
	OpenInferenceGRPC bool     `koanf:"open_inference_grpc" doc:"Serve the APIs over the Open Inference Protocol over gRPC too, at the same port. True includes h2c."`
	Page              bool     `koanf:"page" doc:"Show browsers the home page at /: the APIs to try, and live metrics. False: everyone gets the list of routes as plain text."`
	CORS              CORS     `koanf:"cors" doc:"Cross-origin requests from browsers."`
	Auth              Auth     `koanf:"auth" doc:"Who may send requests. Probes and /metrics are open to everybody."`
	Response          Response `koanf:"response" doc:"Headers of responses."`
}

// Socket is a file that the server listens on instead of a TCP port, for a proxy on the same
// machine:
//
//	http: {socket: /run/ekiben/http.sock, socket_mode: "0660"}
//
// The file of a process that has ended is replaced, and the file is removed when the server
// stops.
type Socket struct {
	Path string `koanf:"socket" doc:"Absolute path of a Unix socket to listen on. host and port have no effect then. Empty: TCP."`
	Mode string `koanf:"socket_mode" doc:"Permissions of the socket, in octal digits. Everyone who may write to it can send requests. Empty: as the umask of the process says."`
}

// Limits bound what a slow or hostile client can hold of the app's own server.
// ekiben_http_late_clients_total counts the clients that exceed a time, except those of the
// admin door, and over HTTP/2 those that are late with a body or a response:
//
//	http:
//	  limits: {header_timeout: 2, max_header_size: 16KiB}
//
// Zeros mean no limit, but MaxHeaderSize 0 is 64 KiB. A client may exceed a timeout by one
// second. App.Handler of package runtime has none of them, because the server is yours.
type Limits struct {
	HeaderTimeout time.Duration `koanf:"header_timeout" unit:"seconds" min:"0" doc:"Time limit to receive the header of a request. A connection whose header is not complete by then is closed. 0: no limit."`
	IdleTimeout   time.Duration `koanf:"idle_timeout" unit:"seconds" min:"0" doc:"Time limit of a connection without a request. After it, the connection is closed. 0: no limit."`
	BodyTimeout   time.Duration `koanf:"body_timeout" unit:"seconds" min:"0" doc:"Time limit between two pieces of a request body. The response to a client that sends nothing for longer is 408. 0: no limit."`
	WriteTimeout  time.Duration `koanf:"write_timeout" unit:"seconds" min:"0" doc:"Time limit for a client to read the next 64 KiB of a response. The connection of a slower client is closed. 0: no limit."`
	MaxHeaderSize int64         `koanf:"max_header_size" unit:"bytes" min:"0" doc:"Largest header of a request. The response to a larger one is 431. 0: 64 KiB."`
}

// CORS says which other origins may send requests from a browser. APIs are called
// with POST, which the default methods lack:
//
//	http:
//	  cors:
//	    enabled: true
//	    access_control_allow_origins: https://example.org
//	    access_control_allow_methods: POST
//
// A list of one string may be written as a string. The zero CORS sends no CORS
// header, so browsers refuse requests from other origins.
type CORS struct {
	Enabled          bool     `koanf:"enabled" doc:"Allow cross-origin requests. Needs access_control_allow_origins or access_control_allow_origin_regex. Middleware of App.Use comes first, as in BentoML: it must let OPTIONS requests pass."`
	AllowOrigins     []string `koanf:"access_control_allow_origins" doc:"Allowed origins, such as https://example.org. \"*\": any."`
	AllowOriginRegex Pattern  `koanf:"access_control_allow_origin_regex" doc:"Regular expression (RE2) that allows every origin that it matches as a whole, in addition to the list."`
	AllowCredentials bool     `koanf:"access_control_allow_credentials" doc:"Let browsers send cookies and authorization headers."`
	AllowMethods     []string `koanf:"access_control_allow_methods" doc:"Allowed methods. \"*\": any. Null: GET."`
	AllowHeaders     []string `koanf:"access_control_allow_headers" doc:"Allowed request headers, in addition to Accept, Accept-Language, Content-Language and Content-Type. \"*\": any."`
	MaxAge           int      `koanf:"access_control_max_age" unit:"seconds" min:"0" doc:"How long a browser may cache the response to a preflight. 0: 600."`
	ExposeHeaders    []string `koanf:"access_control_expose_headers" doc:"Response headers that scripts may read."`
}

// Response says which headers responses have, beside X-BentoML-Request-ID, which
// every measured response has:
//
//	http: {response: {trace_id: true}}
type Response struct {
	TraceID bool `koanf:"trace_id" doc:"Send the trace id as X-BentoML-Trace-ID. Needs tracing.enabled."`
}

// Files bounds the files of requests:
//
//	files:
//	  directory: /var/cache/uploads
//	  max_pixels: 20000000
//
// Zeros: Memory 0 keeps every file on disk, MaxFiles 0 and MaxPixels 0 are no limits.
// http.max_body_size bounds all files of a request together.
type Files struct {
	Memory    int64  `koanf:"memory" unit:"bytes" min:"0" reload:"true" doc:"How much of the files of one request stays in memory. A file that exceeds it is on disk until the request ends. 0: every file that is not empty is on disk."`
	Directory string `koanf:"directory" doc:"Folder for files on disk. A relative path begins at the working directory. It must be writable if an API takes files. Empty: the system's folder for temporary files, TMPDIR."`
	MaxFiles  int    `koanf:"max_files" min:"0" reload:"true" doc:"Most files of one request. The response to more is 400. 0: no limit."`
	MaxPixels int64  `koanf:"max_pixels" min:"0" reload:"true" doc:"Most pixels of all images of one request. The response to more is 400, before they are decoded: a pixel takes 4 bytes of memory, of some formats 8. 0: no limit."`
}

// SSL is TLS of the app's own server, with BentoML's names:
//
//	ssl:
//	  enabled: true
//	  certfile: /certs/tls.crt
//	  keyfile: /certs/tls.key
//
// The zero SSL serves plain HTTP. The least version is TLS 1.2. The files of certificates
// and of the key are read again when their content changes; the keys need a restart.
// App.Handler of package runtime serves without TLS, because the server around it is yours.
type SSL struct {
	Enabled             bool   `koanf:"enabled" doc:"Serve HTTPS. Needs certfile."`
	CertFile            string `koanf:"certfile" doc:"PEM file of the certificate chain. A relative path begins at the working directory. New connections use it as soon as it has changed and fits the key."`
	KeyFile             string `koanf:"keyfile" doc:"PEM file of the private key. A relative path begins at the working directory. Empty: the key is in certfile."`
	KeyFilePassword     Secret `koanf:"keyfile_password" doc:"Password of an encrypted key: PKCS #8, or PEM with DEK-Info."`
	KeyFilePasswordFile string `koanf:"keyfile_password_file" doc:"File that holds keyfile_password. A relative path begins at the working directory."`
	CACerts             string `koanf:"ca_certs" doc:"PEM file of the authorities that sign client certificates. A relative path begins at the working directory. It is read again when it changes. Connections that are open stay open."`
	CertReqs            int    `koanf:"cert_reqs" min:"0" max:"2" doc:"Client certificates, with Python's numbers: 0 not requested, 1 optional, 2 required. 1 and 2 need ca_certs."`
}

// Batching overrides what batchable APIs declare with runtime.Batching:
//
//	batching:
//	  max_batch_size: 32
//	  max_latency_ms: 500
//
// Nil and "": as declared. Enabled is not a pointer, so its zero value turns batching
// off. [Config.BatchingOf] merges this section with that of a service. Package batcher
// describes each setting; sizes count items, or with runtime.SizeOf their sizes.
type Batching struct {
	Enabled       bool           `koanf:"enabled" reload:"true" doc:"Merge requests of batchable APIs. False: every request is a batch of its own."`
	MaxBatchSize  *int           `koanf:"max_batch_size" min:"1" reload:"true" doc:"Largest number of items in one call of the function. A reload does not change the boundaries of adaptive_batch_size."`
	MaxLatency    *time.Duration `koanf:"max_latency_ms" unit:"milliseconds" min:"1" reload:"true" doc:"Time limit of a request, queue and function together. The response to one that would take longer is 503."`
	MaxQueue      *int           `koanf:"max_queue" min:"0" reload:"true" doc:"Largest number of items in the queue. The response to a request that does not fit is 503. 0: only max_latency_ms limits the queue. Null: as the API declares, or ten full batches for each worker, at least 1000."`
	Policy        string         `koanf:"policy" oneof:",adaptive,idle,window" reload:"true" doc:"When a batch that is not full is sent. adaptive: at once, unless a short wait pays; idle: as soon as the function is idle; window: window_ms after its first request. Empty: as the API declares, or adaptive."`
	Window        *time.Duration `koanf:"window_ms" unit:"milliseconds" min:"0" reload:"true" doc:"How long the policy window waits."`
	FailurePolicy string         `koanf:"failure_policy" oneof:",isolate,fail" reload:"true" doc:"Which items fail when the function fails for one item of a batch. isolate: that item alone, if the function names it or may be called again; fail: every item. Empty: as the API declares, or isolate."`
	ServerTiming  bool           `koanf:"server_timing" reload:"true" doc:"Send the header Server-Timing: time in the queue, time in the function, and the batch."`
}

// RunnerProbe is how /readyz calls the checks of Service.SetReadiness:
//
//	runner_probe: {timeout: 0.5}
//
// The zero RunnerProbe calls the check of the entry service only, without a time
// limit. Keep Timeout below the timeout of the prober, so that the 503 with its
// reason arrives.
type RunnerProbe struct {
	Enabled bool          `koanf:"enabled" doc:"/readyz is 503 while a service that App.AddService added is not ready. False: only the entry service is checked."`
	Timeout time.Duration `koanf:"timeout" unit:"seconds" min:"0" reload:"true" doc:"Time limit for all readiness checks together, and for all checks of /livez together. 0: no limit."`
}

// Metrics is what is measured and what /metrics shows:
//
//	metrics:
//	  duration: {min: 0.01, max: 10, factor: 1.5}
//	  slo: [0.3]
//	  endpoints:
//	    /encode: {slo: [0.05]}
//
// The keys of Views and Exposition are keys of this section, not of sections below it.
// The zero Metrics measures nothing. Only ClientClosed reloads: the SDK cannot change
// the boundaries of an instrument that exists.
type Metrics struct {
	Enabled      bool              `koanf:"enabled" doc:"Measure requests. False: nothing is measured and /metrics is 404."`
	Conventions  []string          `koanf:"conventions" doc:"Naming conventions for the metrics of requests: bentoml; http (http.server.request.duration, from OpenTelemetry's semantic conventions); gen_ai (gen_ai.server.*, from the same conventions, for functions that call runtime.GenAI); rpc (rpc.server.call.duration, from the same conventions, for http.open_inference_grpc). Any of them."`
	Views        views.Config      `koanf:",squash"`
	Exposition   prometheus.Config `koanf:",squash"`
	Public       bool              `koanf:"public" doc:"Serve /metrics at the public address, beside the APIs. False: it is 404 there, and the admin door has it, see admin."`
	ClientClosed int               `koanf:"client_closed" oneof:"200,499" reload:"true" doc:"Status in the metrics for a request whose client disconnected: 200, as in BentoML, or 499."`
	GoRuntime    bool              `koanf:"go_runtime" doc:"Metrics of the Go runtime with OpenTelemetry's names: go_memory_used_bytes, go_goroutine_count and others."`
	MaxSeries    int               `koanf:"max_series" min:"0" doc:"Largest number of series of one instrument. Further series are summed in one with otel_metric_overflow=\"true\". 0: no limit."`
}

// Logging is the configuration of the log:
//
//	logging:
//	  level: debug
//	  format: json
//
// Requests do not wait for the reader of standard error. Up to 1 MiB of lines wait for it;
// further lines are dropped, ekiben_log_dropped_total counts them, and a later line says how
// many. If the reader is gone, the program runs on. A process that is killed loses the lines
// that wait.
//
// Level and Format do not apply to a logger of runtime.WithLogger; AccessLog does.
// The zero Level is info.
type Logging struct {
	Level     slog.Level `koanf:"level" oneof:"debug,info,warn,error" reload:"true" doc:"Lowest level that is logged."`
	Format    string     `koanf:"format" oneof:"text,json,bentoml" doc:"Format of the log. bentoml: the lines that BentoML writes."`
	AccessLog AccessLog  `koanf:"access" doc:"The access log: one line for each request."`
}

// AccessLog is the log of requests, one line each. Its keys are those of
// BentoML's access log and apply to every format:
//
//	logging:
//	  access:
//	    request_content_length: false
//	    skip_paths: [/metrics, /readyz, /healthz, /livez]
//
// A path of SkipPaths does not include http.path_prefix. It also skips every longer
// path: /encode skips /encode_all. All keys reload, so a log can be turned on while a
// problem lasts. The zero AccessLog writes nothing.
type AccessLog struct {
	Enabled               bool      `koanf:"enabled" reload:"true" doc:"Write the access log. The line of a request that shutdown.grace cut off has level warn and cut=true; its status is 0 if no response was sent. disconnected=true: the client hung up before the response or the end of a stream, and the status is the one that the metrics count, see metrics.client_closed. reason: why the request was refused before its function began, in the words of ekiben_traffic_refused_total; the format bentoml does not have it. A method, path or content type of more than 1024 bytes is cut off, and its length is given."`
	RequestContentLength  bool      `koanf:"request_content_length" reload:"true" doc:"Log the length of the request, unless the client sends it in chunks."`
	RequestContentType    bool      `koanf:"request_content_type" reload:"true" doc:"Log the content type of the request."`
	ResponseContentLength bool      `koanf:"response_content_length" reload:"true" doc:"Log the length of the response."`
	ResponseContentType   bool      `koanf:"response_content_type" reload:"true" doc:"Log the content type of the response."`
	SkipPaths             []string  `koanf:"skip_paths" reload:"true" doc:"Requests whose path begins with one of these are not logged. /metrics is never logged."`
	Format                IDFormats `koanf:"format" doc:"Formats of ids, in Python's syntax: a width and x, X or d."`
}

// IDFormats are the formats of the ids in the log and in response headers:
//
//	logging:
//	  access:
//	    format: {trace_id: 032x, span_id: 016x}
//
// Those are the defaults, which match OpenTelemetry's notation. The zero value writes
// decimal numbers, as [IDFormat] describes.
type IDFormats struct {
	TraceID IDFormat `koanf:"trace_id" reload:"true" doc:"Format of the trace id in the log and in X-BentoML-Trace-ID."`
	SpanID  IDFormat `koanf:"span_id" reload:"true" doc:"Format of the span id in the log and in X-BentoML-Request-ID."`
}

// Tracing is how requests are traced. [OTLP] is where spans are sent:
//
//	tracing: {enabled: true, sample_rate: 0.1}
//	otlp: {traces: {endpoint: "http://collector:4318"}}
//
// Set SampleRate too: with its default 0, only traces that the caller records are
// recorded. The zero Tracing costs nothing for a request. With
// runtime.WithTracerProvider, only ExcludedURLs, Propagators and TrustIncoming apply.
type Tracing struct {
	Enabled           bool      `koanf:"enabled" doc:"Record spans and propagate trace context."`
	SampleRate        float64   `koanf:"sample_rate" min:"0" max:"1" reload:"true" doc:"Share of new traces that are recorded."`
	ParentBased       bool      `koanf:"parent_based" doc:"Follow the caller's sampling decision if there is a caller. False: sample_rate decides for every request, by its trace id."`
	ExcludedURLs      []Pattern `koanf:"excluded_urls" doc:"Regular expressions (RE2). A request has no span if one of them matches any part of its URL."`
	MaxTagValueLength int       `koanf:"max_tag_value_length" min:"0" doc:"Largest number of characters of a span attribute. Longer values are cut. 0: no limit."`
	Propagators       []string  `koanf:"propagators" doc:"Formats of trace context, for reading and for sending: tracecontext, baggage, b3 (one header), b3multi."`
	TrustIncoming     bool      `koanf:"trust_incoming" doc:"Continue the caller's trace. False: each request starts a trace of its own, with a link to the caller's."`
}

// Shutdown is how a server ends after SIGTERM, in this order: Delay, then Idle and
// Grace, which begin together:
//
//	shutdown: {delay: 5, idle: 5, grace: 30}
//
// Zeros mean not to wait; with Grace 0, running requests are cut off at once. An Idle
// above Grace has the effect of Grace. Allow the sum of Delay and Grace, and 6 seconds
// to flush, before the process is killed: terminationGracePeriodSeconds in Kubernetes.
type Shutdown struct {
	Delay time.Duration `koanf:"delay" unit:"seconds" min:"0" reload:"true" doc:"Accept requests for this long after SIGTERM, while /readyz is 503: the time that your load balancer needs to notice."`
	Idle  time.Duration `koanf:"idle" unit:"seconds" min:"0" reload:"true" doc:"Wait this long for idle keep-alive connections, so that their next request gets a response and not a reset."`
	Grace time.Duration `koanf:"grace" unit:"seconds" min:"0" reload:"true" doc:"Wait this long for requests that are being processed."`
}

// Default returns the configuration of a program that sets nothing: port 3000, a
// timeout of 60 seconds, BentoML's metrics, no tracing, no pushes. It is valid. Each
// call returns maps and slices of its own.
func Default() Config {
	return Config{
		HTTP:        HTTP{Host: "0.0.0.0", Port: 3000, Socket: Socket{Mode: "0660"}, MaxBodySize: 100 << 20, MaxBodies: 1 << 30, MaxOverdue: 1000, Page: true, Limits: defaultLimits()},
		Admin:       Admin{Host: "127.0.0.1", Port: 3001},
		Files:       Files{Memory: 1 << 20, MaxFiles: 1000, MaxPixels: 89478485}, // as starlette and Pillow
		Traffic:     Traffic{Timeout: 60 * time.Second, QueueOrder: "fifo", CallerDeadline: true, Stream: Stream{WriteTimeout: 30 * time.Second}},
		Batching:    Batching{Enabled: true},
		RunnerProbe: RunnerProbe{Enabled: true, Timeout: time.Second},
		Metrics: Metrics{
			Enabled:      true,
			Public:       true,
			Conventions:  []string{"bentoml"},
			Views:        views.Config{Namespace: views.DefaultNamespace},
			Exposition:   prometheus.DefaultConfig(),
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
		Tasks:    defaultTasks(),
		Slow:     Slow{Keep: 100},
		OTLP:     defaultOTLP(),
		Shutdown: Shutdown{Idle: 5 * time.Second, Grace: 30 * time.Second},
	}
}

func defaultLimits() Limits {
	return Limits{HeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute, BodyTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second, MaxHeaderSize: 64 << 10}
}
