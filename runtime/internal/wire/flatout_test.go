package wire

import (
	"bytes"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"pgregory.net/rapid"
)

// flatOut writes what the general encoder writes, or nothing.
func TestFlatOut(t *testing.T) {
	type shade string
	type result struct {
		S      string `json:"s\n"`
		Named  shade
		B      bool
		I8     int8
		I      int64
		U8     uint8
		U      uint64
		F      float64
		F32    float32
		Span   time.Duration
		Hidden string `json:"-"`
		unseen string
	}
	out := mustOutput[result](t)
	text := rapid.SampledFrom([]string{"", "plain", "é\x7f\u2028", "<&>", `"`, `\`, "\n", "\x1f", "\xff", "\xed\xa0\x80"})
	number := rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{0, math.Copysign(0, -1), -7, 1 << 53, 1e21, 0.999e21, 1e-6, 0.999e-6, 0.1, math.NaN(), math.Inf(1)}))
	flat := 0
	rapid.Check(t, func(t *rapid.T) {
		v := result{
			S: text.Draw(t, "s"), Named: shade(text.Draw(t, "named")), B: rapid.Bool().Draw(t, "b"),
			I8: rapid.Int8().Draw(t, "i8"), I: rapid.Int64().Draw(t, "i"), U8: rapid.Uint8().Draw(t, "u8"), U: rapid.Uint64().Draw(t, "u"),
			F: number.Draw(t, "f"), F32: float32(number.Draw(t, "f32")), Span: time.Duration(rapid.Int64().Draw(t, "span")), Hidden: "no", unseen: "no",
		}
		var want, got bytes.Buffer
		failed := json.MarshalWrite(&want, &v, options)
		if out.flat.encode(&got, reflect.ValueOf(v)) {
			flat++
		}
		got.Reset()
		err := out.Encode(&got, v)
		if (err == nil) != (failed == nil) || err == nil && got.String() != want.String() {
			t.Fatalf("got %s, %v; want %s, %v", &got, err, &want, failed)
		}
	})
	if flat == 0 {
		t.Error("nothing was written flat")
	}
}
