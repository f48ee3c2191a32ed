package config

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// trafficNeeds lists what keys of queues, clients and slow requests need. The code may have
// a limit or a batchable API, which package runtime knows; so the notices name them.
func (c Config) trafficNeeds() []need {
	every := c.everyTraffic()
	all := append(queueNeeds("traffic", every...),
		need{"traffic.per_client.burst", func(c Config) string {
			return when(c.Traffic.PerClient.Rate == 0, "traffic.per_client.rate is 0")
		}},
		need{"slow.keep", func(c Config) string {
			return when(c.Slow.Objective == 0 && !slices.ContainsFunc(every, Traffic.hasObjective), "slow.objective is 0: no request is slow")
		}})
	for _, name := range slices.Sorted(maps.Keys(c.Services)) {
		all = append(all, queueNeeds("services."+name+".traffic", c.TrafficOf(name))...)
	}
	return all
}

// everyTraffic returns the limits of a service without keys of its own, and of each with some.
func (c Config) everyTraffic() []Traffic {
	all := []Traffic{c.TrafficOf("")}
	for _, name := range slices.Sorted(maps.Keys(c.Services)) {
		all = append(all, c.TrafficOf(name))
	}
	return all
}

// queueNeeds returns the needs of the keys of queues below a section. of has the limits of
// the services that use them.
func queueNeeds(section string, of ...Traffic) []need {
	queued := slices.DeleteFunc(slices.Clone(of), func(t Traffic) bool { return t.MaxQueue == 0 })
	lacks := func(without string) func(Config) string {
		return func(Config) string {
			switch {
			case len(queued) == 0:
				return "has no effect" + without + ", because max_queue is 0"
			case !slices.ContainsFunc(queued, Traffic.limited):
				return "has no effect" + without + ", because max_concurrency is 0"
			}
			return ""
		}
	}
	ranks, queues := lacks(" without a batchable API"), lacks(" without runtime.MaxConcurrency in the code")
	needs := []need{{section + ".priority_header", ranks}, {section + ".tenant_header", ranks}}
	if len(queued) == 0 { // max_queue itself is 0, which overrides another value
		return append(needs, need{section + ".queue_order", lacks("")})
	}
	return append(needs, need{section + ".queue_order", queues}, need{section + ".max_queue", queues})
}

// limited reports whether the configuration limits the concurrency of a service or of an
// endpoint.
func (t Traffic) limited() bool {
	for _, own := range t.Endpoints {
		if or(own.MaxConcurrency, 0) > 0 {
			return true
		}
	}
	return t.MaxConcurrency > 0
}

func (t Traffic) hasObjective() bool {
	for _, own := range t.Endpoints {
		if or(own.SlowObjective, 0) > 0 {
			return true
		}
	}
	return false
}

// trafficNotices calls add for keys of which one takes the effect of the other.
func (c Config) trafficNotices(add func(when bool, key, text string)) {
	add(c.Traffic.oneHeader(), "traffic.tenant_header", oneHeader)
	longer := func(t Traffic) bool { return t.exceeds(c.Slow.Objective) }
	add(c.Slow.Objective > 0 && !slices.ContainsFunc(c.everyTraffic(), longer), "slow.objective", tooLong(c.Traffic.Timeout))
	c.objectives("traffic", c.Traffic, c.Traffic.Endpoints, add)
	for _, name := range slices.Sorted(maps.Keys(c.Services)) {
		own, section := c.Services[name].Traffic, "services."+name+".traffic"
		given := own.TenantHeader != nil || own.PriorityHeader != nil
		add(given && c.TrafficOf(name).oneHeader(), section+".tenant_header", oneHeader)
		c.objectives(section, c.TrafficOf(name), own.Endpoints, add)
	}
}

const oneHeader = "is the same header as priority_header: the priority would be the tenant too; name two headers"

// oneHeader reports whether priorities and tenants have one header.
func (t Traffic) oneHeader() bool {
	return t.TenantHeader != "" && strings.EqualFold(t.TenantHeader, t.PriorityHeader)
}

// exceeds reports whether a request may take longer than d before its timeout.
func (t Traffic) exceeds(d time.Duration) bool {
	for _, own := range t.Endpoints {
		if limit := or(own.Timeout, d); limit == 0 || limit > d {
			return true
		}
	}
	return t.Timeout == 0 || t.Timeout > d
}

// objectives calls add for endpoints whose objective is not below their timeout.
func (c Config) objectives(section string, limits Traffic, own map[string]EndpointTraffic, add func(when bool, key, text string)) {
	for _, route := range slices.Sorted(maps.Keys(own)) {
		objective, timeout := or(own[route].SlowObjective, 0), or(limits.Endpoints[route].Timeout, limits.Timeout)
		add(objective > 0 && timeout > 0 && objective >= timeout, section+".endpoints."+route+".slow_objective", tooLong(timeout))
	}
}

func tooLong(timeout time.Duration) string {
	return "is not below the timeout of " + timeout.String() + ": only streams, and requests that end with a 504, can be slow"
}
