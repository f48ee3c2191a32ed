package batcher

import (
	"context"
	"sync"
	"testing"
)

// BenchmarkDo measures a call with 64 callers and a function that takes no time.
// "channel" passes an item to another goroutine and back, the least work of any
// batcher.
func BenchmarkDo(b *testing.B) {
	const callers = 64
	together := func(b *testing.B, one func(item []int)) {
		b.ReportAllocs()
		var all sync.WaitGroup
		each := b.N / callers
		for range callers {
			all.Go(func() {
				item := []int{1}
				for range each + 1 {
					one(item)
				}
			})
		}
		all.Wait()
	}
	b.Run("batcher", func(b *testing.B) {
		batcher := start(echo, Config{MaxBatchSize: 32})
		ctx := context.Background()
		together(b, func(item []int) {
			if _, err := batcher.Do(ctx, item); err != nil {
				b.Error(err)
			}
		})
	})
	b.Run("channel", func(b *testing.B) {
		type call struct {
			items []int
			done  chan []int
		}
		calls := make(chan call)
		go func() {
			for c := range calls {
				c.done <- c.items
			}
		}()
		pool := sync.Pool{New: func() any { return make(chan []int, 1) }}
		together(b, func(item []int) {
			done := pool.Get().(chan []int)
			calls <- call{item, done}
			<-done
			pool.Put(done)
		})
		close(calls)
	})
}
