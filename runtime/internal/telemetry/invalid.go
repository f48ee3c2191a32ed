package telemetry

import (
	"log/slog"
	"sync"
	"sync/atomic"
)

// invalidValues counts dropped values that their instrument cannot have, and logs
// the first one of each instrument.
type invalidValues struct {
	logger *slog.Logger
	total  atomic.Int64
	logged sync.Map // by name of the instrument
}

func (v *invalidValues) drop(name string, in domain, value float64) {
	v.total.Add(1)
	if _, before := v.logged.LoadOrStore(name, true); before {
		return
	}
	rule := "a counter takes neither negative values nor NaN"
	if in == notNaN {
		rule = "an up-down counter does not take NaN"
	}
	v.logger.Warn("metric value dropped: "+rule+"; more of this metric are counted, not logged", "metric", name, "value", value)
}
