package batcher

// Option changes how [New] makes a batcher of items of type In. [SizeOf] and
// [WithObserver] return options.
type Option[In any] interface {
	apply(*options[In])
}

type options[In any] struct {
	sizeOf   func(In) int
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

// WithObserver makes the batcher report to observer. Default: no observer. If the
// option is given several times, the last one applies.
func WithObserver[In any](observer Observer) Option[In] {
	return optionFunc[In](func(o *options[In]) { o.observer = observer })
}
