package runtime

import (
	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/runtime/internal/settings"
)

// names returns the names that a configuration of the app may use.
func (a *App) names() config.Names {
	var names config.Names
	for _, svc := range a.services {
		names.Services = append(names.Services, svc.name)
		for _, one := range svc.apis {
			names.Routes = append(names.Routes, one.route)
		}
		for _, one := range svc.mounts {
			names.Routes = append(names.Routes, one.path)
		}
	}
	names.Reserved = reserved
	return names
}

// apply copies a configuration to the parts that keep a copy of it.
func (a *App) apply(cfg *settings.InForce) {
	a.guard(cfg)
	a.bodies.Limit(cfg.HTTP.MaxBodies)
	for _, svc := range a.services {
		traffic := cfg.TrafficOf(svc.name)
		svc.slots.Limit(traffic.MaxConcurrency)
		highest := 0
		if traffic.Adaptive {
			highest = traffic.MaxConcurrency
		}
		svc.limit.Follow(highest)
		svc.ranking.Store(&ranking{traffic.PriorityHeader, traffic.TenantHeader})
		batching, workers := cfg.BatchingOf(svc.name), cfg.WorkersOf(svc.name)
		for _, one := range svc.apis {
			one.apply(traffic, cfg.Slow.Objective)
			if one.batch != nil {
				one.batch.apply(batching, workers)
			}
		}
		for _, one := range svc.mounts {
			one.limits.apply(traffic, cfg.Slow.Objective)
		}
		svc.queue.Hold(traffic.MaxQueue, traffic.QueueOrder == "deadline") // last: there may be more slots now
	}
	a.applySlow(cfg)
	a.tracing.SetRatio(cfg.Tracing.SampleRate)
}
