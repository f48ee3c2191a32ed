package runtime

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// ownNotices returns the notices of the configuration that are true with this code, and those
// about options of the code. The configuration was applied before.
func (a *App) ownNotices(notices []config.Notice) []config.Notice {
	notices = slices.DeleteFunc(notices, func(n config.Notice) bool {
		return a.options.tracer != nil && aboutOwnTracer(n) || a.usedByCode(n)
	})
	for _, svc := range a.services {
		for _, one := range svc.apis {
			if one.batch == nil || one.batch.cfg.Window == 0 {
				continue
			}
			if cfg := one.batch.configured(a.conf.Now().BatchingOf(svc.name), 0); cfg.Policy != batcher.PolicyWindow {
				notices = append(notices, config.Notice{Text: fmt.Sprintf("%s: runtime.Batching: Window has no effect, because the policy is %s: set Policy to batcher.PolicyWindow", one.where(), cfg.Policy)})
			}
		}
	}
	return notices
}

// aboutOwnTracer reports whether a notice is untrue with WithTracerProvider.
func aboutOwnTracer(n config.Notice) bool {
	return strings.HasPrefix(n.Key, "tracing.") || n.Key == "http.response.trace_id"
}

// usedByCode reports whether a key has an effect because of what the code declares, of which
// package config knows nothing.
func (a *App) usedByCode(n config.Notice) bool {
	without, key := strings.HasPrefix(n.Text, "has no effect without "), n.Key[strings.LastIndexByte(n.Key, '.')+1:]
	for _, svc := range a.services {
		if strings.HasPrefix(n.Key, "services.") && !strings.HasPrefix(n.Key, "services."+svc.name+".") {
			continue
		}
		queued := a.conf.Now().TrafficOf(svc.name).MaxQueue > 0 && svc.limited()
		switch {
		case without && (key == "max_queue" || key == "queue_order") && queued,
			without && (key == "priority_header" || key == "tenant_header") && (queued || svc.batches()),
			key == "objective" && svc.exceeds(func(*api) bool { return true }),
			key == "slow_objective" && svc.exceeds(func(one *api) bool { return strings.HasSuffix(n.Key, "."+one.route+"."+key) }):
			return true
		}
	}
	return false
}

// limited reports whether the concurrency of the service, or of one of its APIs, is limited.
func (s *Service) limited() bool {
	_, most := s.slots.Read()
	for _, one := range s.apis {
		_, own := one.slots.Read()
		most = max(most, own)
	}
	return most > 0
}

// batches reports whether the service has a batchable API.
func (s *Service) batches() bool {
	return slices.ContainsFunc(s.apis, func(one *api) bool { return one.batch != nil })
}

// exceeds reports whether a request of one of the APIs may take longer than its objective.
func (s *Service) exceeds(among func(*api) bool) bool {
	return slices.ContainsFunc(s.apis, func(one *api) bool {
		timeout, objective := one.inForce.timeout.Load(), one.inForce.objective.Load()
		return among(one) && objective > 0 && (timeout == 0 || timeout > objective)
	})
}
