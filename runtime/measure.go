package runtime

import (
	"errors"

	"github.com/ekiben-serving/ekiben/runtime/internal/telemetry"
)

// measure builds the telemetry of the app. Without a valid configuration it
// measures nothing, and the app never runs.
func (a *App) measure() {
	set := telemetry.Settings{
		Config: a.conf.Now().Config, App: a.identity, Logger: a.log.logger,
		Provider: a.options.provider, Readers: a.options.readers, LogDropped: a.log.lines.Dropped, Late: func() map[string]int64 { return a.open.Load().Late() },
	}
	measured, err := telemetry.New(set)
	if err != nil || a.conf.Early != nil {
		measured = telemetry.Off(set)
	}
	if a.conf.Early == nil {
		a.fail(err)
	}
	a.telemetry = measured
}

// openMetrics adds every service and endpoint to the telemetry.
func (a *App) openMetrics() error {
	t := a.telemetry
	if err := t.Prepare(a.kinds()); err != nil {
		return err
	}
	var errs []error
	for i, svc := range a.services {
		errs = append(errs, svc.openMetrics(i == 0))
	}
	if a.secure != nil {
		errs = append(errs, t.ObserveCertificate(a.secure.NotAfter))
	}
	return errors.Join(append(errs, t.Register(a.options.source != nil), t.ObservePushes(a.pushes.Metrics, a.pushes.Traces, a.pushes.Logs, a.pushes.LostLines))...)
}

func (a *App) kinds() (has telemetry.Kinds) {
	for _, svc := range a.services {
		has.Mounts = has.Mounts || len(svc.mounts) > 0
		for _, one := range svc.apis {
			has.Batches = has.Batches || one.batch != nil
			has.Streams = has.Streams || one.stream != nil
			has.Tasks = has.Tasks || one.task != nil
		}
	}
	return has
}
