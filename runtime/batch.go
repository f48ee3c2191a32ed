package runtime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/runtime/config"
	"github.com/ekiben-serving/ekiben/runtime/internal/wire"
)

// HandleBatch declares an API whose function takes the items of many requests
// at once, as [package batcher] merges them:
//
//	runtime.HandleBatch(svc, "encode", encode, batcher.Config{MaxBatchSize: 32}, runtime.Items("texts"))
//
// A request carries a list of items, {"texts": ["a", "b"]}, or one of them,
// {"texts": "a"}, and is answered with as many results: a list, or the one.
// Constraints by struct tag hold for the fields of an item that is a struct.
//
// The function gets at most MaxBatchSize items and returns a result for each,
// in their order. It can fail single items with [batcher.Errors]: their
// requests then fail with that error, as those of [Handle] do, and a list's
// answer names which of its items failed; other requests have their results. A
// request that would not be answered by its deadline is
// refused with 503 and Retry-After. The configuration's batching keys go over
// cfg.
//
// The function is called by one goroutine at a time, or by as many as
// cfg.Workers or the key workers say; it must be safe for that.
//
// A request that times out, or whose client hangs up, leaves the queue and
// gives its slot of traffic.max_concurrency back; the function's ctx ends when
// nobody waits for the batch any more.
func HandleBatch[In, Out any](svc *Service, name string, fn batcher.Func[In, Out], cfg batcher.Config, opts ...APIOption) *API[[]In, []Out] {
	a := &API[[]In, []Out]{api: &api{service: svc, name: name, route: "/" + name, items: "items"}}
	a.api.batch = &cfg
	for _, opt := range opts {
		opt(a.api)
	}
	fail := func(what string, err error) {
		if err != nil {
			svc.fail(fmt.Errorf("service %q: API %q: %s: %w", svc.name, name, what, err))
		}
	}
	var sized []batcher.Option[In, Out]
	switch size := a.api.sizeOf.(type) {
	case nil:
	case func(In) int:
		sized = append(sized, batcher.SizeOf[In, Out](size))
	default:
		fail("batching", fmt.Errorf("SizeOf must be given a func(%T) int, found %T", *new(In), size))
	}
	*a.api.batch = cfg.WithDefaults()
	c := &batchCodec[In, Out]{api: a}
	var errs [3]error
	c.in, errs[0] = wire.NewItems[In](a.api.items)
	c.one, errs[1] = wire.NewOutput[Out]()
	c.out, errs[2] = wire.NewOutput[[]Out]()
	fail("input", errs[0])
	fail("output", errs[1])
	if fn == nil {
		svc.fail(fmt.Errorf("service %q: API %q: function is nil", svc.name, name))
		fn = func(context.Context, []In) ([]Out, error) { return nil, nil } // which nobody will call
	}
	b, err := batcher.New(spanned(a.api, fn), cfg, append(sized, batcher.WithObserver[In, Out](&batchObserver{api: a.api}))...)
	if err != nil {
		fail("batching", err)
		b, _ = batcher.New(fn, batcher.Config{}) // what is wrong is reported when the service is bound
	}
	a.fn = func(ctx context.Context, items []In) ([]Out, error) {
		out, _, err := b.Do(ctx, items)
		return out, batchError(err)
	}
	c.do = b.Do
	a.api.queue = b
	a.api.codec = c
	svc.declare(a.api)
	return a
}

// spanned makes a span of each batch, linked to those of the requests in it.
func spanned[In, Out any](a *api, fn batcher.Func[In, Out]) batcher.Func[In, Out] {
	return func(ctx context.Context, items []In) (_ []Out, err error) {
		rt := a.service.bound.Load()
		if rt == nil || rt.tracer == nil {
			return fn(ctx, items)
		}
		ctx, span := startBatch(ctx, rt.tracer.Tracer(ownScope), a.name, len(items))
		ended := false
		defer func() {
			if failure := failed(err); failure != nil || !ended { // it panicked, or ended its goroutine
				span.SetStatus(codes.Error, "")
				span.RecordError(failure)
			}
			span.End()
		}()
		out, err := fn(ctx, items)
		ended = true
		return out, err
	}
}

// startBatch begins the span of a batch. It belongs to the trace of the first of
// its requests that is sampled, so that it is kept whenever one of them is, and
// is linked to all.
func startBatch(ctx context.Context, tracer trace.Tracer, name string, items int) (context.Context, trace.Span) {
	callers := batcher.Callers(ctx)
	var parent trace.SpanContext
	var links []trace.Link
	for _, caller := range callers {
		span := trace.SpanContextFromContext(caller)
		if !span.IsValid() {
			continue
		}
		links = append(links, trace.Link{SpanContext: span})
		if !parent.IsValid() || span.IsSampled() && !parent.IsSampled() {
			parent = span
		}
	}
	return tracer.Start(trace.ContextWithSpanContext(ctx, parent), "batch "+name, trace.WithLinks(links...), //nolint:spancheck // spanned ends it
		trace.WithAttributes(attribute.Int("ekiben.batch.items", items), attribute.Int("ekiben.batch.requests", len(callers))))
}

// failed is err without the items that are well; nil: all are.
func failed(err error) error {
	var errs batcher.Errors
	if errors.As(err, &errs) {
		return errors.Join(errs...)
	}
	return err
}

// explain says in a request's span how it was batched, if it was.
func explain(ctx context.Context, t batcher.Timing) {
	if span := trace.SpanFromContext(ctx); t.Items > 0 && span.IsRecording() {
		span.SetAttributes(attribute.Float64("ekiben.batch.queue.duration", t.Queue.Seconds()),
			attribute.Int("ekiben.batch.items", t.Items), attribute.String("ekiben.batch.reason", t.Reason.String()))
	}
}

// Items names the parameter in which a batchable API's items come. Default:
// items. With [Handle] it is an error.
func Items(name string) APIOption { return func(a *api) { a.items = name } }

// SizeOf makes the items of a batchable API count for other than 1 towards
// MaxBatchSize and MaxQueue, by tokens or pixels. In must be the API's type of
// items. With [Handle] it is an error.
func SizeOf[In any](size func(In) int) APIOption { return func(a *api) { a.sizeOf = size } }

// queue is a batcher without its types.
type queue interface {
	Configure(batcher.Config) error
	Close(context.Context) error
	Hurry()
	Queued() (requests, items int)
}

// configured is what a batchable API's batcher is to do: what the API
// declares, and over it the configuration.
func (a *api) configured(batching config.Batching, workers int) batcher.Config {
	cfg := *a.batch
	if batching.MaxBatchSize != nil {
		cfg.MaxBatchSize = *batching.MaxBatchSize
	}
	if batching.MaxLatency != nil {
		cfg.MaxLatency = *batching.MaxLatency
	}
	if batching.MaxQueue != nil {
		cfg.MaxQueue = *batching.MaxQueue
	}
	if batching.Policy != "" {
		cfg.Policy = batcher.Policy(batching.Policy)
	}
	if batching.Window != nil {
		cfg.Window = *batching.Window
	}
	if batching.Poison != "" {
		cfg.Poison = batcher.Poison(batching.Poison)
	}
	if workers > 0 {
		cfg.Workers = workers
	}
	cfg.Alone = cfg.Alone || !batching.Enabled
	return cfg
}

// override lays the configuration over what batchable APIs declare.
func (s *Service) override(batching config.Batching, workers int) {
	for _, a := range s.apis {
		if a.queue != nil {
			_ = a.queue.Configure(a.configured(batching, workers)) // which the configuration's own rules keep valid
			a.timed.Store(batching.ServerTiming)
		}
	}
}

// batchError is what a client is told of a batcher's own errors.
func batchError(err error) error {
	if failed, ok := err.(batcher.Errors); ok { //nolint:errorlint // as Do returns it
		told := make(batcher.Errors, len(failed))
		for i, one := range failed {
			told[i] = batchError(one)
		}
		return told
	}
	var overload *batcher.OverloadError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &overload):
		return &Error{Status: 503, Message: "The service is overloaded: " + overloads[overload.Reason], RetryAfter: max(overload.RetryAfter, time.Second)}
	case errors.Is(err, batcher.ErrClosed):
		return &Error{Status: 503, Message: "The service is shutting down", RetryAfter: time.Second}
	}
	var panicked *batcher.PanicError
	if errors.As(err, &panicked) {
		return &panicError{value: panicked.Value, stack: panicked.Stack}
	}
	return err
}

var overloads = map[batcher.Refusal]string{
	batcher.RefusalQueueFull: "its queue is full",
	batcher.RefusalLate:      "the answer would come too late",
	batcher.RefusalTooMany:   "the answer would come too late, and would with nothing else to do: send fewer items at once",
	batcher.RefusalExpired:   "the answer would come too late",
}

// batchCodec decodes a list of items, or one.
type batchCodec[In, Out any] struct {
	api *API[[]In, []Out]
	in  *wire.Items[In]
	one *wire.Output[Out] // for the documents
	out *wire.Output[[]Out]
	do  func(context.Context, []In) ([]Out, batcher.Timing, error)
}

func (c *batchCodec[In, Out]) serve(ctx context.Context, s *scratch) error {
	items, single, err := c.in.Decode(s.body.Bytes())
	if err != nil {
		return err
	}
	results, timing, err := c.do(ctx, items)
	explain(ctx, timing)
	if c.api.api.timed.Load() {
		s.timing = serverTiming(timing)
	}
	if err != nil {
		return itemsError(batchError(err), c.api.api.items)
	}
	if err := c.out.Encode(&s.out, results); err != nil || !single {
		return err
	}
	alone := bytes.TrimSuffix(bytes.TrimPrefix(s.out.Bytes(), []byte("[")), []byte("]"))
	s.out.Truncate(copy(s.out.Bytes(), alone))
	return nil
}

// serverTiming is the header by which an answer explains itself.
func serverTiming(t batcher.Timing) string {
	if t.Items == 0 {
		return ""
	}
	return "queue;dur=" + milli(t.Queue) + ", compute;dur=" + milli(t.Compute) +
		`, batch;desc="` + strconv.Itoa(t.Items) + "/" + strconv.Itoa(t.MaxSize) + " " + t.Reason.String() + `"`
}

func milli(d time.Duration) string {
	return strconv.FormatFloat(float64(d.Microseconds())/1000, 'f', -1, 64)
}

func (c *batchCodec[In, Out]) contentType() string { return c.out.ContentType() }
func (c *batchCodec[In, Out]) input() *wire.Schema { return c.in.Schema() }
func (c *batchCodec[In, Out]) output() *wire.Schema {
	if !c.in.Single() {
		return c.out.Schema()
	}
	return wire.OneOrMany(c.one.Schema(), c.out.Schema())
}

// batchObserver records what happens in a batcher, once there is something to
// record it in.
type batchObserver struct{ api *api }

// Batched records a batch.
func (o *batchObserver) Batched(b batcher.Batch) {
	if e := o.api.endpoint; e != nil {
		e.batches.record(b)
	}
}

// Refused counts refusals.
func (o *batchObserver) Refused(why batcher.Refusal, calls, computed int) {
	if e := o.api.endpoint; e != nil {
		e.batches.refuse(why, calls, computed)
	}
}
