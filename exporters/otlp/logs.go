package otlp

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/proto"
)

// NewLogExporter returns an exporter of log records, for a processor of the SDK. It connects
// at the first export, so a collector that is down is no error here. It returns all errors of
// the configuration, joined.
//
// Export returns no error, because the SDK would pass it to a global handler; Settings has
// Stats and a Logger instead. The Logger must not write to this exporter. When ctx ends, the
// export in progress is cancelled and later ones fail. All records of an export must have one
// resource, that of their provider.
func NewLogExporter(ctx context.Context, s Settings) (sdklog.Exporter, error) {
	client, err := newClient(s.Config, Logs)
	if err != nil {
		return nil, err
	}
	return &logExporter{client: client, lifetime: ctx, outcomes: newOutcomes("log lines", s)}, nil
}

type logExporter struct {
	client   *client
	lifetime context.Context //nolint:containedctx // of the exporter, not of a call
	outcomes *outcomes
}

// Export implements [sdklog.Exporter].
func (e *logExporter) Export(ctx context.Context, records []sdklog.Record) error {
	if len(records) == 0 {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.lifetime, cancel)()
	body, err := proto.Marshal(encodeLogs(records))
	if err != nil {
		err = &Error{Reason: ReasonInternal, Err: err}
	} else {
		err = e.client.send(ctx, body)
	}
	e.outcomes.add(acceptedOf(len(records), err), err)
	return nil
}

// ForceFlush implements [sdklog.Exporter]. The exporter keeps no records.
func (e *logExporter) ForceFlush(context.Context) error { return nil }

// Shutdown implements [sdklog.Exporter].
func (e *logExporter) Shutdown(context.Context) error { return e.client.close() }

// encodeLogs converts records to protobuf messages. Illegal UTF-8 becomes U+FFFD, because
// protobuf would refuse the whole request.
func encodeLogs(records []sdklog.Record) *logspb.LogsData {
	out := &logspb.ResourceLogs{}
	if res := records[0].Resource(); res != nil {
		out.Resource = &resourcepb.Resource{Attributes: encodeSet(*res.Set())}
		out.SchemaUrl = legal(res.SchemaURL())
	}
	scopes := map[instrumentation.Scope]*logspb.ScopeLogs{}
	for i := range records {
		scope := records[i].InstrumentationScope()
		in := scopes[scope]
		if in == nil {
			in = &logspb.ScopeLogs{
				Scope:     &commonpb.InstrumentationScope{Name: legal(scope.Name), Version: legal(scope.Version), Attributes: encodeSet(scope.Attributes)},
				SchemaUrl: legal(scope.SchemaURL),
			}
			scopes[scope] = in
			out.ScopeLogs = append(out.ScopeLogs, in)
		}
		in.LogRecords = append(in.LogRecords, encodeLog(&records[i]))
	}
	return &logspb.LogsData{ResourceLogs: []*logspb.ResourceLogs{out}}
}

func encodeLog(r *sdklog.Record) *logspb.LogRecord {
	out := &logspb.LogRecord{
		TimeUnixNano: nanos(r.Timestamp()), ObservedTimeUnixNano: nanos(r.ObservedTimestamp()),
		SeverityNumber: logspb.SeverityNumber(r.Severity()), SeverityText: legal(r.SeverityText()),
		Body: encodeValue(r.Body()), EventName: legal(r.EventName()),
		DroppedAttributesCount: uint32(max(0, r.DroppedAttributes())), Flags: uint32(r.TraceFlags()),
	}
	r.WalkAttributes(func(a attribute.KeyValue) bool {
		out.Attributes = append(out.Attributes, encodeAttribute(a))
		return true
	})
	if id := r.TraceID(); id.IsValid() {
		out.TraceId = id[:]
	}
	if id := r.SpanID(); id.IsValid() {
		out.SpanId = id[:]
	}
	return out
}
