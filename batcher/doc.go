// Package batcher merges the items of many concurrent calls into few calls of a
// function that costs less per item for a batch, such as a model.
//
//	b, err := batcher.New(encode, batcher.Config{MaxBatchSize: 32})
//	result, err := b.Do(ctx, texts) // from any number of goroutines
//	err = b.Close(ctx)
//
// [New] makes a [Batcher] from the function. [Batcher.Do] returns the results of the caller's own
// items. A batch is sent to the function when it is full, or when a worker is idle and waiting for more
// items would not lower the latency. Calls are served in the order of their arrival, or of the ranks
// that [RankOf] gives them. A call that cannot have its results by its deadline is refused at once.
//
// The package needs no other module than this one. It records no metrics; an
// [Observer] can do so. Read on: [Config], and docs/batching.md.
package batcher
