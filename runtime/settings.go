package runtime

import (
	"github.com/ekiben-serving/ekiben/runtime/config"
)

// settings are the configuration in force, with what is computed of it once
// and read by every request. A reload replaces them as a whole.
type settings struct {
	config.Config
}

func newSettings(cfg config.Config) *settings {
	return &settings{Config: cfg}
}

// cfg returns the settings in force.
func (rt *Runtime) cfg() *settings { return rt.current.Load() }

// apply puts a configuration into force: what requests read from cfg, and what
// is copied from it to where it is read faster.
func (rt *Runtime) apply(cfg config.Config) {
	rt.current.Store(newSettings(cfg))
	for _, svc := range rt.services {
		svc.limits.set(cfg.TrafficOf(svc.name))
		svc.override(cfg.BatchingOf(svc.name), cfg.WorkersOf(svc.name))
	}
	rt.level.Set(cfg.Logging.Level)
	if rt.sampler != nil {
		rt.sampler.SetRatio(cfg.Tracing.SampleRate)
	}
}
