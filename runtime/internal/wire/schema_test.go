package wire_test

import (
	"testing"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime/internal/wire"
)

type optionalOnly struct {
	Text string `json:"text" default:"hello"`
	N    *int   `json:"n"`
}

// A body is required where the decoder refuses an empty one.
func TestRequired(t *testing.T) {
	required[struct{}](t, false)
	required[optionalOnly](t, false)
	required[struct{ N int }](t, true)
	required[struct {
		optionalOnly
		N int
	}](t, true)
	required[map[string]int](t, false)
	required[any](t, false)
	required[[]int](t, true)
	required[[]byte](t, false)
	required[[2]int](t, true)
	required[int](t, true)
	required[*float64](t, true)
	required[bool](t, true)
	required[string](t, false)
	required[*string](t, true)
	required[time.Time](t, true)

	items := check.Value(wire.NewItems[optionalOnly]("xs"))(t)
	if _, _, refused := items.Decode(t.Context(), nil, wire.Files{}); !items.Schema().Required() || refused == nil {
		t.Error("items: an empty body is not refused")
	}
}

func required[T any](t *testing.T, want bool) {
	t.Helper()
	in := check.Value(wire.NewInput[T]())(t)
	var v T
	if got, refused := in.Schema().Required(), in.Decode(t.Context(), nil, wire.Files{}, &v) != nil; got != want || refused != want {
		t.Errorf("%T: required %v, refused %v, want %v", v, got, refused, want)
	}
}
