package config

import "time"

// Traffic holds the limits of each service. [Config.TrafficOf] returns those of one:
//
//	traffic:
//	  timeout: 10
//	  max_concurrency: 64
//	  endpoints:
//	    /summarize: {timeout: 30}
//
// Zeros mean no limit, but MaxQueue 0 is no queue: a request over MaxConcurrency gets its 429
// at once. Probes and /metrics have no limits.
type Traffic struct {
	Timeout        time.Duration              `koanf:"timeout" unit:"seconds" min:"0" reload:"true" doc:"Time limit of a request. The response to one that takes longer is 504. 0: no limit."`
	MaxConcurrency int                        `koanf:"max_concurrency" min:"0" reload:"true" doc:"Requests that a service processes at the same time. One more waits if max_queue has a place, and else its response is 429. 0: no limit."`
	Adaptive       bool                       `koanf:"adaptive_concurrency" reload:"true" doc:"Let the limit follow the latency, between 1 and max_concurrency: it falls while requests take longer and no more of them are served. The time of a request counts from its admission, without streams and tasks. False: the limit is max_concurrency."`
	MaxQueue       int                        `koanf:"max_queue" min:"0" reload:"true" doc:"Largest number of requests that wait while max_concurrency of the service or of their endpoint is reached; without a place the response is 429. A request whose turn is expected after its timeout gets a 503 at once. 0: none waits, as in BentoML."`
	QueueOrder     string                     `koanf:"queue_order" oneof:",fifo,deadline" reload:"true" doc:"Which waiting request is next. fifo: the one that came first; deadline: the one with the nearest deadline. Empty: fifo."`
	PriorityHeader string                     `koanf:"priority_header" reload:"true" doc:"Request header that says low for a request that waits behind all others, before max_concurrency and in batch queues, and loses its place in a full queue to them. Any other value: the request waits normally. Empty: all wait alike."`
	TenantHeader   string                     `koanf:"tenant_header" reload:"true" doc:"Request header that names a tenant. Requests of different tenants take turns in these queues, and a full queue refuses the tenant that has the most in it. Requests without it are one tenant. Empty: there are no tenants."`
	CallerDeadline bool                       `koanf:"caller_deadline" reload:"true" doc:"End requests when their caller waits no longer, as the headers Request-Timeout-Ms, Request-Deadline-Ms, X-Request-Timeout-Ms, X-Request-Deadline-Ms, X-Envoy-Expected-Rq-Timeout-Ms and grpc-timeout say. timeout is an upper limit. False: these headers are ignored."`
	Stream         Stream                     `koanf:"stream" doc:"Limits of streams that have sent their first chunk; timeout limits the time to it."`
	PerClient      PerClient                  `koanf:"per_client" doc:"Limits of each client of the entry service."`
	Endpoints      map[string]EndpointTraffic `koanf:"endpoints" key:"ROUTE" doc:"Limits of one endpoint, by its route. They override the service's: {/encode: {timeout: 5}}."`
}

// Stream holds the limits of streams that have sent their first chunk. A stream that reaches one
// is cut, and ekiben_stream_ended_total counts it by the limit:
//
//	traffic:
//	  stream: {idle_timeout: 60, max_duration: 600}
//
// 0: no limit. A reload applies to streams that begin after it.
type Stream struct {
	IdleTimeout  time.Duration `koanf:"idle_timeout" unit:"seconds" min:"0" reload:"true" doc:"Time limit between two chunks of a stream. 0: no limit."`
	MaxDuration  time.Duration `koanf:"max_duration" unit:"seconds" min:"0" reload:"true" doc:"Time limit of a stream, from the arrival of its request to its last chunk. 0: no limit."`
	WriteTimeout time.Duration `koanf:"write_timeout" unit:"seconds" min:"0" reload:"true" doc:"Time limit to send one chunk to a client that reads slowly. 0: only http.limits.write_timeout."`
}

// EndpointTraffic holds the limits of one endpoint. Its key is the route as the code
// declares it, without http.path_prefix:
//
//	traffic:
//	  endpoints:
//	    /summarize: {timeout: 30, max_concurrency: 8}
//	    /chat: {stream: {idle_timeout: 20}}
//
// Nil: what runtime.Timeout or runtime.MaxConcurrency declares, else the limit of the
// service. A pointer to 0: no limit of its own.
type EndpointTraffic struct {
	Timeout        *time.Duration `koanf:"timeout" unit:"seconds" min:"0" reload:"true" doc:"Overrides the timeout of the service, and the one that the code declares. Null: that of the code or the service. 0: no limit."`
	MaxConcurrency *int           `koanf:"max_concurrency" min:"0" reload:"true" doc:"Limits the requests of this endpoint, beside max_concurrency of the service. One more waits in the queue of the service, see max_queue. Null: what the code declares. 0: no limit of its own."`
	Stream         ServiceStream  `koanf:"stream" doc:"Overrides the service's limits of streams, for the streams of this endpoint."`
	SlowObjective  *time.Duration `koanf:"slow_objective" unit:"seconds" min:"0" reload:"true" doc:"Overrides slow.objective for this endpoint. Null: slow.objective. 0: none of its requests is slow."`
}
