package runtime

import (
	"context"
	"errors"
	"fmt"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/runtime/internal/body"
	"github.com/ekiben-serving/ekiben/runtime/internal/tracing"
	"github.com/ekiben-serving/ekiben/runtime/internal/wire"
)

// HandleBatch declares an API whose function gets the items of many requests at
// once. Package [batcher] merges them:
//
//	runtime.HandleBatch(app, "encode", encode, runtime.ItemsField("texts"))
//
// A request has a list of items, {"texts": ["a", "b"]}, or one item,
// {"texts": "a"}. The response is a list of as many results, or the one result.
// If an item is a struct, the constraints in its struct tags are checked.
//
// The function gets at most MaxBatchSize items and returns a result for each, in
// the same order. To fail single items, it returns [batcher.Errors]: their
// requests get that error, and the response to a list names the items that
// failed. Other requests get their results. A request that cannot finish by its
// deadline gets a 503, with Retry-After unless it has too many items.
//
// The function runs in one goroutine at a time, or in as many as the key workers
// allows; then it must be safe for concurrent use. Its ctx ends when no request
// waits for the batch any more. A request that times out, or whose client hangs
// up, leaves the queue and releases its slot of max_concurrency. While the function hangs,
// see [batcher.Batcher.Hanging], requests get a 503 at once and /readyz responds 503.
func HandleBatch[In, Out any](on Declarer, name string, fn batcher.Func[In, Out], opts ...APIOption) *API[[]In, []Out] {
	service := on.declarer()
	a := &API[[]In, []Out]{api: &api{service: service, name: name, route: "/" + name, batch: &batching{items: "items"}}}
	a.api.set(opts)
	declared := a.api.batch
	batches, err := batcher.New(batchSpans(a.api, fn), declared.cfg, batcherOptions[In](a.api)...)
	a.api.fail("batching", err)
	if err != nil { // the app will not run, but the API must exist
		batches, _ = batcher.New(func(context.Context, []In) ([]Out, error) { return nil, nil }, batcher.Config{})
	}
	declared.queue = batches
	in, err := wire.NewItems[In](declared.items, attachments...)
	a.api.fail("input", err)
	out, err := wire.NewOutput[[]Out](attachments...)
	a.api.fail("output", err)
	if err == nil {
		a.api.fail("runtime.ContentType", checkJSONType(a.api.contentType, "application/json"))
	}
	one, _ := wire.NewOutput[Out](attachments...) // out has the same errors
	if a.api.rootInput {
		a.api.fail("runtime.RootInput", errors.New("has an effect only with inputs that are no items; leave it out with runtime.HandleBatch"))
	}
	if fn == nil {
		a.api.fail("function", errors.New("must not be nil"))
	}
	a.fn = func(ctx context.Context, items []In) ([]Out, error) {
		ctx, wait := awaitBatch(ctx, a.api.service.app.watchOf(ctx))
		defer wait.End()
		result, err := batches.Do(ctx, items)
		return result.Items, batchError(err)
	}
	takes := body.Accepts{Forms: true}
	if in != nil && in.IsFile(declared.items) {
		takes.IsFile = in.IsFile
	}
	a.api.codec = &batchCodec[In, Out]{batching: declared, in: in, out: out, one: one, do: batches.Do, takes: takes}
	service.declare(a.api)
	return a
}

// Batching sets how a batchable API merges requests. The keys below batching in
// the configuration override it. Default: the zero [batcher.Config], at most 100
// items. MaxLatency is at least 1 ms, Window 1 µs. It is an error without [HandleBatch].
func Batching(cfg batcher.Config) APIOption {
	return batchOption("Batching", func(b *batching) { b.cfg = cfg })
}

// ItemsField names the parameter that holds the items of a batchable API.
// Default: items. It is an error without [HandleBatch].
func ItemsField(name string) APIOption {
	return batchOption("ItemsField", func(b *batching) { b.items = name })
}

// SizeOf sets the size of an item, such as its tokens or pixels, which
// MaxBatchSize and MaxQueue count. Default: 1. In must be the API's type of
// items. It is an error without [HandleBatch].
func SizeOf[In any](size func(In) int) APIOption {
	return batchOption("SizeOf", func(b *batching) { b.sizeOf = size })
}

func batchOption(name string, set func(*batching)) APIOption {
	return apiOptionFunc(func(a *api) {
		if a.batch == nil {
			a.fail("runtime."+name, errors.New("has an effect only with runtime.HandleBatch"))
			return
		}
		set(a.batch)
	})
}

func batcherOptions[In any](a *api) []batcher.Option[In] {
	b := a.batch
	options := []batcher.Option[In]{batcher.RankOf[In](a.service.rankOf), batcher.WithObserver[In](batcher.Observer{
		Batched: func(done batcher.Batch) {
			b.metrics.Record(done)
			if done.Items > 0 { // else the function was not called
				a.logHang(false)
			}
		},
		Refused: func(refused batcher.Refused) {
			b.metrics.Refuse(refused)
			if refused.Reason == batcher.RefusalHanging {
				a.logHang(true)
			}
		},
	})}
	switch size := b.sizeOf.(type) {
	case nil:
	case func(In) int:
		options = append(options, batcher.SizeOf(size))
	default:
		a.fail("runtime.SizeOf", fmt.Errorf("must be given a func(%T) int, found %T", *new(In), size))
	}
	return options
}

// batchSpans runs each batch in a span, if the app traces, and tells its requests that it runs.
func batchSpans[In, Out any](a *api, fn batcher.Func[In, Out]) batcher.Func[In, Out] {
	return func(ctx context.Context, items []In) ([]Out, error) {
		if a.service.app.slow.On() {
			defer watchBatch(ctx, len(items))()
		}
		ctx = context.WithValue(ctx, appKey{}, a.service.app)
		return tracing.Batch(ctx, a.service.app.tracing, a.name, len(items), func(ctx context.Context) ([]Out, error) { return fn(ctx, items) })
	}
}
