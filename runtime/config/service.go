package config

import (
	"cmp"
	"maps"
	"time"

	"github.com/ekiben-serving/ekiben/views"
)

// Service overrides keys for one service. Its key is the name that runtime.New or
// App.AddService was given:
//
//	services:
//	  Encoder:
//	    traffic: {timeout: 5}
//	    workers: 2
//
// Nil: not overridden. [Config.TrafficOf], [Config.BatchingOf] and [Config.WorkersOf]
// return the merged values.
type Service struct {
	Traffic  ServiceTraffic  `koanf:"traffic" doc:"Overrides traffic."`
	Batching ServiceBatching `koanf:"batching" doc:"Overrides batching."`
	Workers  *int            `koanf:"workers" also:"cpu_count" min:"1" max:"4096" reload:"true" doc:"Overrides workers."`
}

// ServiceTraffic is [Traffic] for one service, with every key optional:
//
//	services:
//	  Encoder: {traffic: {timeout: 0}}
//
// Nil: the value of traffic. A pointer to 0: no limit for this service.
type ServiceTraffic struct {
	Timeout        *time.Duration             `koanf:"timeout" unit:"seconds" min:"0" reload:"true" doc:"Overrides traffic.timeout."`
	MaxConcurrency *int                       `koanf:"max_concurrency" min:"0" reload:"true" doc:"Overrides traffic.max_concurrency."`
	Adaptive       *bool                      `koanf:"adaptive_concurrency" reload:"true" doc:"Overrides traffic.adaptive_concurrency."`
	MaxQueue       *int                       `koanf:"max_queue" min:"0" reload:"true" doc:"Overrides traffic.max_queue."`
	QueueOrder     *string                    `koanf:"queue_order" oneof:",fifo,deadline" reload:"true" doc:"Overrides traffic.queue_order."`
	PriorityHeader *string                    `koanf:"priority_header" reload:"true" doc:"Overrides traffic.priority_header."`
	TenantHeader   *string                    `koanf:"tenant_header" reload:"true" doc:"Overrides traffic.tenant_header."`
	Stream         ServiceStream              `koanf:"stream" doc:"Overrides traffic.stream."`
	Endpoints      map[string]EndpointTraffic `koanf:"endpoints" key:"ROUTE" doc:"Overrides traffic.endpoints."`
}

// ServiceBatching is [Batching] for one service, with every key optional:
//
//	services:
//	  Encoder: {batching: {enabled: false}}
//
// Nil: the value of batching. A pointer to "": as the API declares, even if batching
// has another policy.
type ServiceBatching struct {
	Enabled       *bool          `koanf:"enabled" reload:"true" doc:"Overrides batching.enabled."`
	MaxBatchSize  *int           `koanf:"max_batch_size" min:"1" reload:"true" doc:"Overrides batching.max_batch_size."`
	MaxLatency    *time.Duration `koanf:"max_latency_ms" unit:"milliseconds" min:"1" reload:"true" doc:"Overrides batching.max_latency_ms."`
	MaxQueue      *int           `koanf:"max_queue" min:"0" reload:"true" doc:"Overrides batching.max_queue."`
	Policy        *string        `koanf:"policy" oneof:",adaptive,idle,window" reload:"true" doc:"Overrides batching.policy."`
	Window        *time.Duration `koanf:"window_ms" unit:"milliseconds" min:"0" reload:"true" doc:"Overrides batching.window_ms."`
	FailurePolicy *string        `koanf:"failure_policy" oneof:",isolate,fail" reload:"true" doc:"Overrides batching.failure_policy."`
	ServerTiming  *bool          `koanf:"server_timing" reload:"true" doc:"Overrides batching.server_timing."`
}

// ServiceStream holds [Stream] with every key optional, for a service or an endpoint:
//
//	services:
//	  Chat:
//	    traffic:
//	      stream: {idle_timeout: 60}
//
// Nil: not overridden.
type ServiceStream struct {
	IdleTimeout  *time.Duration `koanf:"idle_timeout" unit:"seconds" min:"0" reload:"true" doc:"Overrides traffic.stream.idle_timeout."`
	MaxDuration  *time.Duration `koanf:"max_duration" unit:"seconds" min:"0" reload:"true" doc:"Overrides traffic.stream.max_duration."`
	WriteTimeout *time.Duration `koanf:"write_timeout" unit:"seconds" min:"0" reload:"true" doc:"Overrides traffic.stream.write_timeout."`
}

// TrafficOf returns the limits of a service and of its endpoints. An endpoint
// overrides the service, and services.NAME.traffic overrides traffic.
func (c Config) TrafficOf(name string) Traffic {
	own := c.Services[name].Traffic
	limits := Traffic{
		Timeout:        or(own.Timeout, c.Traffic.Timeout),
		MaxConcurrency: or(own.MaxConcurrency, c.Traffic.MaxConcurrency),
		Adaptive:       or(own.Adaptive, c.Traffic.Adaptive),
		MaxQueue:       or(own.MaxQueue, c.Traffic.MaxQueue),
		QueueOrder:     or(own.QueueOrder, c.Traffic.QueueOrder),
		PriorityHeader: or(own.PriorityHeader, c.Traffic.PriorityHeader),
		TenantHeader:   or(own.TenantHeader, c.Traffic.TenantHeader),
		CallerDeadline: c.Traffic.CallerDeadline,
		Stream:         own.Stream.Over(c.Traffic.Stream),
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
			SlowObjective:  cmp.Or(over.SlowObjective, below.SlowObjective),
			Stream: ServiceStream{
				IdleTimeout:  cmp.Or(over.Stream.IdleTimeout, below.Stream.IdleTimeout),
				MaxDuration:  cmp.Or(over.Stream.MaxDuration, below.Stream.MaxDuration),
				WriteTimeout: cmp.Or(over.Stream.WriteTimeout, below.Stream.WriteTimeout),
			},
		}
	}
	return limits
}

// Over returns the limits of s, and those of below where s has none.
func (s ServiceStream) Over(below Stream) Stream {
	return Stream{
		IdleTimeout:  or(s.IdleTimeout, below.IdleTimeout),
		MaxDuration:  or(s.MaxDuration, below.MaxDuration),
		WriteTimeout: or(s.WriteTimeout, below.WriteTimeout),
	}
}

// Namespace returns the prefix of the default metrics, without the underscore after
// it. Characters that are illegal in a metric name are replaced.
func (m Metrics) Namespace() string {
	namespace, _ := views.LegalNamespace(m.Views.Namespace) // an illegal one fails Validate
	return namespace
}

// BatchingOf returns the settings that override what a service's APIs declare:
// services.NAME.batching over batching, key by key.
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

// WorkersOf returns how many batches each API of a service runs at the same time.
// 0: as many as the API declares.
func (c Config) WorkersOf(name string) int {
	return or(cmp.Or(c.Services[name].Workers, c.Workers), 0)
}

// or returns *own, or all if own is nil: a pointer to a zero value counts as given.
func or[T any](own *T, all T) T {
	if own != nil {
		return *own
	}
	return all
}
