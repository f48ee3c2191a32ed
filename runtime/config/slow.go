package config

import "time"

// Slow is which requests are slow. A record of each says where its time went:
//
//	slow: {objective: 0.5}
//	traffic: {endpoints: {/chat: {slow_objective: 30}}}
//
// The zero Slow keeps no records and measures nothing for them.
type Slow struct {
	Objective time.Duration `koanf:"objective" unit:"seconds" min:"0" reload:"true" doc:"A request that takes this long or longer is slow: ekiben_slow_requests_total counts it by its cause, and a record says where its time went. 0: none is slow."`
	Keep      int           `koanf:"keep" min:"1" max:"10000" reload:"true" doc:"Records that are kept. The oldest one makes room for a new one."`
}
