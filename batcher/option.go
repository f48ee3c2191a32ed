package batcher

import (
	"context"

	"github.com/ekiben-serving/ekiben/internal/turns"
)

// Option changes how [New] makes a batcher of items of type In. [SizeOf], [RankOf] and
// [WithObserver] return options.
type Option[In any] interface {
	apply(*options[In])
}

type options[In any] struct {
	sizeOf   func(In) int
	rankOf   func(context.Context) Rank
	observer Observer
}

type optionFunc[In any] func(*options[In])

func (f optionFunc[In]) apply(o *options[In]) { f(o) }

// SizeOf gives each item a size, such as its tokens or pixels. MaxBatchSize and
// MaxQueue then limit sums of sizes. A size below 1 counts as 1. An item larger
// than MaxBatchSize is a batch of its own. Default and meaning of nil: each item
// has size 1.
//
// Each [Batcher.Do] calls size, so it must be safe for concurrent use.
func SizeOf[In any](size func(In) int) Option[In] {
	return optionFunc[In](func(o *options[In]) { o.sizeOf = size })
}

// Rank is where a call stands in the queue, before its arrival counts. The zero Rank is that of
// all calls in a queue without ranks.
type Rank struct {
	// Low puts the call behind all that are not low.
	Low bool
	// Tenant says with whom the call takes turns: each tenant gets as many items into batches as
	// any other that waits, or with SizeOf as much size. Calls without a tenant are one too.
	Tenant string
}

// RankOf gives calls ranks, by the context of [Batcher.Do]. If the queue is full, a call takes the
// places of the last ones that are of a lower rank, which are refused. Estimates count the
// items ahead of a call; if calls of a higher rank come later, it may still be refused at its
// deadline. Default and meaning of nil: calls are served in the order of their arrival.
//
// A call with a rank costs more than one without, in proportion to the length of the queue. rank must be
// safe for concurrent use.
func RankOf[In any](rank func(ctx context.Context) Rank) Option[In] {
	return optionFunc[In](func(o *options[In]) { o.rankOf = rank })
}

// rank returns the rank of a call.
func (o *options[In]) rank(ctx context.Context) turns.Rank {
	if o.rankOf == nil {
		return turns.Rank{}
	}
	r := o.rankOf(ctx)
	return turns.Rank{Low: r.Low, Tenant: r.Tenant}
}

// WithObserver makes the batcher report to observer. Default: no observer. If the
// option is given several times, the last one applies.
func WithObserver[In any](observer Observer) Option[In] {
	return optionFunc[In](func(o *options[In]) { o.observer = observer })
}
