package wire

import (
	"encoding/json"
	"sync"
	"testing"
)

type shared struct {
	A string         `json:"a" default:"x"`
	M map[string]int `json:"m,omitempty"`
	P *int           `json:"p,omitempty"`
}

// Requests share no data, for every kind of input: each body decodes to the same
// value after any other body, and at the same time.
func TestRequestsShareNothing(t *testing.T) {
	unshared[map[string]any](t, `{"secret":"alice"}`, `{}`, `{}`)
	unshared[map[string]shared](t, `{"a":{"m":{"x":1}}}`, `{"b":{}}`, `{"b":{"a":"x"}}`)
	unshared[*shared](t, `{"a":"1","m":{"x":1},"p":3}`, `{}`, `{"a":"x"}`)
	unshared[**shared](t, `{"a":"1","m":{"x":1}}`, `{}`, `{"a":"x"}`)
	unshared[*map[string]int](t, `{"a":1}`, `{"b":2}`, `{"b":2}`)
	unshared[shared](t, `{"a":"1","m":{"x":1},"p":3}`, `{}`, `{"a":"x"}`)
	unshared[[]map[string]int](t, `[{"a":1}]`, `[{}]`, `[{}]`)
	unshared[[1]map[string]int](t, `[{"a":1}]`, `[{}]`, `[{}]`)
}

func unshared[T any](t *testing.T, first, second, want string) {
	t.Helper()
	in := mustInput[T](t)
	check := func() {
		var a, b T
		if err := in.Decode(t.Context(), []byte(first), Files{}, &a); err != nil {
			t.Errorf("%T: %v", a, err)
		}
		if err := in.Decode(t.Context(), []byte(second), Files{}, &b); err != nil {
			t.Errorf("%T: %v", b, err)
		}
		if got, err := json.Marshal(b); err != nil || string(got) != want {
			t.Errorf("%T: got %s, %v, want %s", b, got, err, want)
		}
	}
	check()
	var all sync.WaitGroup
	for range 4 {
		all.Go(check)
	}
	all.Wait()
}
