package batcher

import (
	"context"
	"sort"
	"sync"
)

// RequestContexts returns the contexts of the calls whose items the function
// was given, in the order of the items, each once. ctx is the context that the
// function was given, or one derived from it. It returns nil if ctx is not from
// a batch.
func RequestContexts(ctx context.Context) []context.Context {
	if o := originsOf(ctx); o != nil {
		return o.contexts()
	}
	return nil
}

// ItemContext returns the context of the call that items[i] came from, so that the
// function can read the call's tenant, deadline or trace. ctx is the context that
// the function was given, or one derived from it.
//
// It also works if the items of a call are spread over several batches, and if the
// function is called again with half of a failed batch. If ctx is not from a batch,
// or i is not an index of items, it returns ctx itself ([context.Background] for
// nil), so that a test can call the function without a batcher.
func ItemContext(ctx context.Context, i int) context.Context {
	if ctx == nil {
		return context.Background()
	}
	if o := originsOf(ctx); o != nil && i >= 0 && i < o.to-o.from {
		return o.parts[o.part(o.from+i)].ctx
	}
	return ctx
}

type originsKey struct{}

func originsOf(ctx context.Context) *origins {
	if ctx == nil {
		return nil
	}
	o, _ := ctx.Value(originsKey{}).(*origins)
	return o
}

// origins says which call each item of a batch came from. It is about the items with
// the indexes from, from+1 and so on, up to to-1.
type origins struct {
	parts    []origin
	from, to int
}

// origin is one call's part of a batch. The item with index end is the first one
// behind it.
type origin struct {
	ctx context.Context
	end int
}

// part returns the index of the part that has the batch's item i.
func (o *origins) part(i int) int {
	return sort.Search(len(o.parts), func(p int) bool { return o.parts[p].end > i })
}

func (o *origins) contexts() []context.Context {
	var contexts []context.Context
	for p := o.part(o.from); p < len(o.parts) && (p == 0 || o.parts[p-1].end < o.to); p++ {
		contexts = append(contexts, o.parts[p].ctx)
	}
	return contexts
}

// batchContext is the context of a batch. It does not have the values of its
// callers' contexts, because there are many callers. Done makes the channel, because
// few functions call Done.
type batchContext struct {
	context.Context
	origins

	mu   sync.Mutex
	err  error
	done chan struct{}
}

// Value returns the origins of the batch's items.
func (c *batchContext) Value(key any) any {
	if key == (originsKey{}) {
		return &c.origins
	}
	return nil
}

// Done returns a channel that is closed when the batch ends or its last caller
// leaves.
func (c *batchContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.err != nil {
			close(c.done)
		}
	}
	return c.done
}

// Err returns context.Canceled once Done's channel is closed, else nil.
func (c *batchContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

func (c *batchContext) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = err
	if c.done != nil {
		close(c.done)
	}
}

// slice returns c for some of the batch's items.
func (c *batchContext) slice(from, to int) context.Context {
	if from == c.from && to == c.to {
		return c
	}
	return &sliceContext{Context: c, origins: origins{c.parts, from, to}}
}

// sliceContext is a batchContext for some of the batch's items.
type sliceContext struct {
	context.Context
	origins
}

// Value returns the origins of these items.
func (c *sliceContext) Value(key any) any {
	if key == (originsKey{}) {
		return &c.origins
	}
	return nil
}
