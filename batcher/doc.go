// Package batcher merges the items of many concurrent calls into few calls of a
// function that costs less per item for a batch, such as a model.
//
// [New] makes a [Batcher] from the function. Any number of goroutines then call
// [Batcher.Do], which returns the results of the caller's own items. A batch is
// sent to the function when it is full, or when a worker is idle and waiting for
// more items would not lower the latency. Calls are served in the order of their
// arrival. A call that cannot have its results by its deadline is refused at once.
//
// The package imports nothing outside the standard library, and records no
// metrics: an [Observer] can.
package batcher
