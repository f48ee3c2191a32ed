package runtime

import (
	"bytes"
	"context"
	"reflect"
	"strconv"
	"time"

	"github.com/ekiben-serving/ekiben/batcher"
	"github.com/ekiben-serving/ekiben/runtime/internal/body"
	"github.com/ekiben-serving/ekiben/runtime/internal/tracing"
	"github.com/ekiben-serving/ekiben/runtime/internal/wire"
)

// batchCodec decodes a list of items, or one.
type batchCodec[In, Out any] struct {
	*batching
	in    *wire.Items[In]
	out   *wire.Output[[]Out]
	one   *wire.Output[Out] // the result for one item
	do    func(context.Context, []In) (batcher.Result[Out], error)
	takes body.Accepts
}

func (c *batchCodec[In, Out]) serve(call *call, s *scratch) error {
	items, single, err := c.in.Decode(&call.ctx, s.body.Bytes(), call.files(s))
	if err != nil {
		return err
	}
	ctx, wait := awaitBatch(&call.ctx, call.x.watch)
	result, err := c.do(ctx, items)
	wait.End()
	if err != nil {
		s.body.Files = nil // a batch that still runs may read them; the garbage collector closes them
	}
	tracing.ExplainBatch(&call.ctx, result.Timing)
	if c.timing.Load() {
		s.serverTiming = serverTiming(result.Timing)
	}
	if err != nil {
		return itemsError(batchError(err), c.items)
	}
	if err := c.encode(&s.out, result.Items); err != nil || !single {
		return err
	}
	alone := bytes.TrimSuffix(bytes.TrimPrefix(s.out.Bytes(), []byte("[")), []byte("]"))
	s.out.Truncate(copy(s.out.Bytes(), alone))
	return nil
}

// encode writes the list of results. Those of a uint8 type are numbers, not bytes.
func (c *batchCodec[In, Out]) encode(to *bytes.Buffer, results []Out) error {
	if reflect.TypeFor[Out]().Kind() == reflect.Uint8 {
		return c.one.EncodeEach(to, results)
	}
	return c.out.Encode(to, results)
}

func (c *batchCodec[In, Out]) accepts() body.Accepts { return c.takes }
func (c *batchCodec[In, Out]) contentType() string   { return "application/json" }
func (c *batchCodec[In, Out]) input() *wire.Schema   { return c.in.Schema() }

func (c *batchCodec[In, Out]) output() *wire.Schema {
	if !c.in.Single() {
		return c.one.List()
	}
	return wire.OneOrMany(c.one.Schema(), c.one.List())
}

// serverTiming returns the header Server-Timing of a batched request.
func serverTiming(t batcher.Timing) string {
	if t.Items == 0 {
		return ""
	}
	return "queue;dur=" + milliseconds(t.Queue) + ", compute;dur=" + milliseconds(t.Compute) +
		`, batch;desc="` + strconv.Itoa(t.Items) + "/" + strconv.Itoa(t.MaxSize) + " " + t.Reason.String() + `"`
}

func milliseconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d.Microseconds())/1000, 'f', -1, 64)
}
