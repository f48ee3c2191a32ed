package telemetry

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/metric"
)

// ObserveCertificate registers the end of the validity of the server's certificate.
func (t *Telemetry) ObserveCertificate(notAfter func() time.Time) error {
	if !t.On() {
		return nil
	}
	labels := t.app()
	_, err := t.Provider.Meter(Scope).Int64ObservableGauge("ekiben.tls.certificate.not_after", metric.WithUnit("s"),
		metric.WithDescription("End of the validity of the certificate that new connections get, as Unix time; there is no such series without ssl.enabled"),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(notAfter().Unix(), labels)
			return nil
		}))
	return err
}
