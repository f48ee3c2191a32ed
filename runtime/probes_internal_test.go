package runtime

import (
	"context"
	"testing"
)

// Probes that arrive while a check hangs share its call.
func TestProbesShareACall(t *testing.T) {
	release := make(chan struct{})
	c := &probeCheck{all: []func(context.Context) error{func(context.Context) error { <-release; return nil }}}
	first := c.share(t.Context(), 0)
	for range 1000 {
		if c.share(t.Context(), 0) != first {
			t.Fatal("another call began")
		}
	}
	close(release)
	if <-first.ended; first.err != nil {
		t.Error(first.err)
	}
	again := c.share(t.Context(), 0)
	if <-again.ended; again == first {
		t.Error("a call that has ended is shared")
	}
}
