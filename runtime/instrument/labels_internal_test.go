package instrument

import (
	"testing"

	"go.opentelemetry.io/otel/attribute"
)

type number struct{ N int }

// used returns label sets that have each been used once, and how often their map was copied.
func used(t *testing.T, limit, n int) (s *labelSets[number, attribute.Set], copies int) {
	t.Helper()
	s, err := newLabelSets[number](limit, func(set attribute.Set) attribute.Set { return set })
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		before := s.known.Load()
		if got := s.of(number{i})[0]; got != attribute.NewSet(attribute.Int("n", i)) && (limit <= 0 || i < limit) {
			t.Fatalf("label set %d is %v", i, got.ToSlice())
		}
		if s.known.Load() != before {
			copies++
		}
	}
	return s, copies
}

// Without a limit, the sets beyond those that are remembered take no memory.
func TestUnlimitedSetsAreBounded(t *testing.T) {
	for _, limit := range []int{0, -1} {
		s, _ := used(t, limit, remembered+1000)
		if n := len(*s.known.Load()) + len(s.recent); n != remembered {
			t.Errorf("limit %d: %d sets are remembered", limit, n)
		}
	}
}

// A limit may be greater, and new sets cost no copy of the map each.
func TestNewSetsAreCheap(t *testing.T) {
	s, copies := used(t, 2*remembered, 3*remembered)
	if n := len(*s.known.Load()); n != 2*remembered || copies > 20 {
		t.Errorf("%d sets are remembered with %d copies", n, copies)
	}
	if got := s.of(number{-1})[0]; got != overflow {
		t.Errorf("a set beyond the limit is %v", got.ToSlice())
	}
}

// A set that is used again needs no lock soon.
func TestSetsBecomeKnown(t *testing.T) {
	s, _ := used(t, 0, 100)
	for range 100 {
		s.of(number{99})
	}
	if _, ok := (*s.known.Load())[number{99}]; !ok {
		t.Error("it is still learnt")
	}
}
