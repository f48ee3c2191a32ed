package batcher

import "testing"

func TestNames(t *testing.T) {
	for i, want := range []string{"", "full", "idle", "gap", "deadline", "drain", "unknown"} {
		if got := Reason(i).String(); got != want {
			t.Errorf("reason %d: got %q, want %q", i, got, want)
		}
	}
	for i, want := range []string{"", "queue_full", "late", "too_many", "expired", "closed", "left", "hanging", "unknown"} {
		if got := Refusal(i).String(); got != want {
			t.Errorf("refusal %d: got %q, want %q", i, got, want)
		}
	}
}
