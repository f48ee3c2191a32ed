// Package config is config.yaml as structs: their defaults, how files and
// flags are laid over them, and what is refused.
package config

import (
	"time"

	"github.com/ekiben-serving/ekiben/exporters/prometheus"
	"github.com/ekiben-serving/ekiben/views"
)

// Config is everything a user can set. Keys are BentoML's where BentoML has
// one. Start from [Default]: the zero Config has metrics off and no limits.
type Config struct {
	App      App                `koanf:"app"`
	HTTP     HTTP               `koanf:"http"`
	Traffic  Traffic            `koanf:"traffic"`
	Workers  int                `koanf:"workers"`
	Metrics  Metrics            `koanf:"metrics"`
	Logging  Logging            `koanf:"logging"`
	Shutdown Shutdown           `koanf:"shutdown"`
	Services map[string]Service `koanf:"services"`
}

// App is the identity of what is served, BentoML's "bento".
type App struct {
	// Name is the label service_name. Default and meaning of "": the name of
	// the entry service.
	Name string `koanf:"name"`
	// Version is the label service_version. Default and meaning of "":
	// "not available", as BentoML has it for a service outside a bento.
	Version string `koanf:"version"`
}

// HTTP is where and how the entry service is served.
type HTTP struct {
	// Host is the address listened on. Default: 0.0.0.0.
	Host string `koanf:"host"`
	// Port is the TCP port listened on. Default: 3000. 0 picks a free one.
	Port int `koanf:"port"`
	// PathPrefix is put before every path, probes and /metrics included:
	// "/ml" serves /ml/summarize. Default: "".
	PathPrefix string `koanf:"path_prefix"`
	// MaxBodySize is the largest request body in bytes; a larger one is
	// answered 413. Default: 100 MiB. 0 means no limit.
	MaxBodySize int64 `koanf:"max_body_size"`
}

// Traffic limits what a service takes on.
type Traffic struct {
	// Timeout is how long a request may take before it is answered 504.
	// In files a number of seconds or a Go duration ("1.5s"). Default: 60 s.
	// 0 means no limit.
	Timeout time.Duration `koanf:"timeout"`
	// MaxConcurrency is how many requests a service works on at once; one
	// more is answered 429. Default and meaning of 0: no limit.
	MaxConcurrency int `koanf:"max_concurrency"`
}

// Metrics is what is measured and how the page shows it.
type Metrics struct {
	// Enabled turns measuring and /metrics on. Default: true. When false
	// /metrics is 404 and every instrument is free.
	Enabled bool `koanf:"enabled"`
	// Views are namespace, duration, slo and endpoints.
	Views views.Config `koanf:",squash"`
	// Page are openmetrics, scope_labels and target_info.
	Page prometheus.Config `koanf:",squash"`
	// ClientClosed is the status under which a request is counted whose
	// client hung up: 200, as BentoML counts it (default), or 499.
	ClientClosed int `koanf:"client_closed"`
	// MaxSeries is the most series one instrument keeps; what comes after
	// them is summed under otel_metric_overflow="true". Default: 2000. 0 means
	// no limit.
	MaxSeries int `koanf:"max_series"`
}

// Logging chooses the shape of the log.
type Logging struct {
	// Level is the lowest level logged: debug, info, warn or error.
	// Default: info.
	Level string `koanf:"level"`
	// Format is text (default), json, or bentoml: the lines BentoML writes,
	// for log pipelines that parse them.
	Format string `koanf:"format"`
	Access Access `koanf:"access"`
}

// Access is the log line a request leaves.
type Access struct {
	// Enabled logs a line for each request. Default: true.
	Enabled bool `koanf:"enabled"`
}

// Shutdown is how a server ends, in files as seconds or Go durations.
type Shutdown struct {
	// Delay is how long requests are still accepted after the signal, while
	// /readyz already says 503. Default: 0. Set it to what your load
	// balancer needs to notice.
	Delay time.Duration `koanf:"delay"`
	// Idle is how long keep-alive connections without a request are waited
	// for, so that their next request is answered rather than reset.
	// Default: 5 s.
	Idle time.Duration `koanf:"idle"`
	// Grace is how long running requests may take to end. Default: 30 s.
	Grace time.Duration `koanf:"grace"`
}

// Service overrides keys for one service, by its name. Nil means "as above".
type Service struct {
	Traffic ServiceTraffic `koanf:"traffic"`
}

// ServiceTraffic is [Traffic] with every key optional.
type ServiceTraffic struct {
	Timeout        *time.Duration `koanf:"timeout"`
	MaxConcurrency *int           `koanf:"max_concurrency"`
}

// TrafficOf returns the limits of the service called name.
func (c Config) TrafficOf(name string) Traffic {
	traffic := c.Traffic
	own := c.Services[name].Traffic
	if own.Timeout != nil {
		traffic.Timeout = *own.Timeout
	}
	if own.MaxConcurrency != nil {
		traffic.MaxConcurrency = *own.MaxConcurrency
	}
	return traffic
}

// Default returns the configuration of an empty file.
func Default() Config {
	return Config{
		HTTP:    HTTP{Host: "0.0.0.0", Port: 3000, MaxBodySize: 100 << 20},
		Traffic: Traffic{Timeout: 60 * time.Second},
		Workers: 1,
		Metrics: Metrics{
			Enabled:      true,
			Views:        views.Config{Namespace: views.DefaultNamespace},
			Page:         prometheus.DefaultConfig(),
			ClientClosed: 200,
			MaxSeries:    2000,
		},
		Logging:  Logging{Level: "info", Format: "text", Access: Access{Enabled: true}},
		Shutdown: Shutdown{Idle: 5 * time.Second, Grace: 30 * time.Second},
	}
}
