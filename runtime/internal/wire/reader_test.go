package wire

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
)

// patience is a context that ends when it has been looked at so many times.
type patience struct {
	context.Context
	left, after int
}

func (p *patience) Err() error {
	if p.left--; p.left >= 0 {
		return nil
	}
	p.after++
	return context.DeadlineExceeded
}

// The decoding of a large body stops when its context ends, wherever it is, and says so
// instead of an error of the body.
func TestDecodeStops(t *testing.T) {
	type inner struct {
		N []int             `json:"n"`
		D map[string]string `json:"d"`
	}
	repeat := func(s string) string { return strings.Repeat(s+",", large/len(s)) + s }
	for name, body := range map[string]string{
		"valid":        `{"items":[` + repeat(`{"n":[1,2,3],"d":{"a":"b"}}`) + `]}`,
		"converted":    `{"items":[` + repeat(`{"n":["1",2],"d":{}}`) + `]}`,
		"wrong":        `{"items":[` + repeat(`{"n":[1.5]}`) + `]}`,
		"one list":     `{"items":[{"d":{},"n":[` + repeat(`"1"`) + `]}]}`,
		"one dict":     `{"items":[{"n":["1"],"d":{` + repeat(`"some name":"b"`) + `}}]}`,
		"unknown":      `{"items":[],"more":[` + repeat(`"1"`) + `]}`,
		"not JSON":     `{"items":[` + repeat(`{"n":[1],"d":{}}`),
		"not an array": `{"items":{"n":[` + repeat(`1`) + `]}}`,
	} {
		items := check.Value(NewItems[inner]("items"))(t)
		all := &patience{Context: t.Context(), left: 1 << 30}
		_, _, want := items.Decode(all, []byte(body), Files{})
		looks := 1<<30 - all.left
		if looks < large/piece {
			t.Errorf("%s: looked at the context %d times, want at least %d", name, looks, large/piece)
		}
		for left := 0; left < looks-1; left += looks/3 + 1 {
			ctx := &patience{Context: t.Context(), left: left}
			_, _, err := items.Decode(ctx, []byte(body), Files{})
			if !errors.Is(err, context.DeadlineExceeded) || ctx.after > 10 {
				t.Fatalf("%s, ended after look %d: %v and %d more looks, want the end of the context at once; without it %v", name, left, err, ctx.after, want)
			}
		}
	}
}
