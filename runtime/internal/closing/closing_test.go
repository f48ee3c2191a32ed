package closing

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// Each closer has its own error. One that is slow, or ignores its context, delays
// the others by no more than the limit and a quarter of it.
func TestAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		err := All(t.Context(), 4*time.Second, []Closer{
			{"quick", func(context.Context) error { return nil }},
			{"broken", func(context.Context) error { return errors.New("no") }},
			{"heeds", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }},
			{"ignores", func(context.Context) error { time.Sleep(time.Hour); return nil }},
			{"too", func(context.Context) error { time.Sleep(time.Hour); return nil }},
			{"quick again", func(context.Context) error { return nil }},
			{"broken again", func(context.Context) error { return errors.New("no") }},
		})
		const want = "broken: no\nheeds: context deadline exceeded\nignores: given up: context deadline exceeded\ntoo: given up: context deadline exceeded\nbroken again: no"
		if took := time.Since(start); err == nil || err.Error() != want || took != 5*time.Second {
			t.Errorf("after %s got %v", took, err)
		}
		time.Sleep(time.Hour) // until the last one has returned
	})
}
