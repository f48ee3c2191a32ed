package runtime_test

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime"
)

type octet uint8

type grade uint8

func (g grade) MarshalText() ([]byte, error) {
	return strconv.AppendUint([]byte("g"), uint64(g), 10), nil
}

func (g *grade) UnmarshalText(text []byte) error {
	_, err := fmt.Sscanf(string(text), "g%d", (*uint8)(g))
	return err
}

func echoBatch[T any](_ context.Context, items []T) ([]T, error) { return items, nil }

// Items and results of a uint8 type are numbers, also in the documents; byte slices are base64.
func TestBatchesOfBytes(t *testing.T) {
	app := newApp("Bytes", runtime.WithLogger(quiet()))
	runtime.HandleBatch(app, "bytes", echoBatch[uint8])
	runtime.HandleBatch(app, "octets", echoBatch[octet])
	runtime.HandleBatch(app, "grades", echoBatch[grade])
	runtime.HandleBatch(app, "blobs", echoBatch[[]byte])
	runtime.HandleStream(app, "stream", func(context.Context, struct{}) iter.Seq2[octet, error] {
		return func(yield func(octet, error) bool) { yield(65, nil) }
	})
	h := handler(t, app)
	for _, test := range [][3]string{
		{"/bytes", `[1,91,255]`, `[1,91,255]`},
		{"/bytes", `[]`, `[]`},
		{"/bytes", `91`, `91`},
		{"/octets", `[1, "2"]`, `[1,2]`},
		{"/octets", `93`, `93`},
		{"/grades", `["g7","g8"]`, `["g7","g8"]`},
		{"/grades", `"g7"`, `"g7"`},
		{"/blobs", `["AQI=",""]`, `["AQI=",""]`},
	} {
		got := postTo(h, test[0], `{"items":`+test[1]+`}`)
		check.Equal(t, fmt.Sprintln(got.Code, got.Header().Get("Content-Type"), got.Body), "200 application/json "+test[2]+"\n")
	}
	check.Contains(t, postTo(h, "/bytes", `{"items":[1,256]}`).Body.String(), `"loc":["items",1]`)
	check.Contains(t, postTo(h, "/stream", `{}`).Body.String(), "65")
	check.Equal(t, postTo(h, "/bytes", `{"items":"AQI="}`).Code, 400)
	list := `{"items":{"type":"integer","minimum":0,"maximum":255},"type":"array"`
	for _, name := range []string{"bytes", "octets"} {
		check.Contains(t, call(h, "GET", "/schema.json", ""), `{"name":"`+name+`","route":"/`+name+`","batchable":true,"input":{"type":"object","properties":{"items":`+list+`,"title":"Items"}},"required":["items"],"title":"Input"},"output":`+list+`}`)
	}
	check.Equal(t, strings.Count(call(h, "GET", "/docs.json", ""), `{"oneOf":[`+list+`},{"type":"integer","minimum":0,"maximum":255}]`), 4)
}
