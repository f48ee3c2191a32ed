package config

// PerClient limits the requests of each client of the entry service:
//
//	traffic:
//	  per_client: {max_concurrency: 4, rate: 10, burst: 20}
//
// The response to a request over a limit is 429 with Retry-After. A client is its address, see
// [Proxies]; of IPv6 the network of 64 bits. Zeros mean no limit, but Burst 0 is the rate of one
// second, rounded up.
type PerClient struct {
	MaxConcurrency int     `koanf:"max_concurrency" min:"0" reload:"true" doc:"Requests of one client at the same time. 0: no limit."`
	Rate           float64 `koanf:"rate" min:"0" max:"1000000000" reload:"true" doc:"Requests of one client in a second. 0: no limit."`
	Burst          int     `koanf:"burst" min:"0" reload:"true" doc:"Requests that one client may send at once, before rate limits it. 0: the rate of one second."`
}
