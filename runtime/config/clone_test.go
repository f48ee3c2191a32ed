package config

import (
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
)

// A clone is equal, and shares nothing that can be changed.
func TestClone(t *testing.T) {
	cfg, timeout := Default(), Default().Traffic.Timeout
	cfg.Services = map[string]Service{"A": {Traffic: ServiceTraffic{Timeout: &timeout}}}
	cfg.OTLP.Headers = map[string]Secret{"k": NewSecret("s")}
	copied := cfg.Clone()
	check.Equal(t, copied, cfg)
	*copied.Services["A"].Traffic.Timeout = 1
	copied.Services["B"], copied.OTLP.Headers["k"], copied.Logging.AccessLog.SkipPaths[0] = Service{}, NewSecret("t"), "/changed"
	if *cfg.Services["A"].Traffic.Timeout != timeout || len(cfg.Services) != 1 || cfg.OTLP.Headers["k"].Reveal() != "s" || cfg.Logging.AccessLog.SkipPaths[0] == "/changed" {
		t.Errorf("a change of the clone changed the original to %+v", cfg)
	}
}
