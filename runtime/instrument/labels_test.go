package instrument_test

import (
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime/instrument"
)

// The smallest and the largest value of every kind of integer is written in full.
func TestExtremes(t *testing.T) {
	type ends struct {
		I   int
		I8  int8
		I16 int16
		I32 int32
		I64 int64
		U   uint
		U8  uint8
		U16 uint16
		U32 uint32
		U64 uint64
	}
	m := newMetrics(t, true)
	c := check.Value(instrument.NewCounter[ends](m.app.Meter(), "ends"))(t)
	least := ends{I: math.MinInt, I8: math.MinInt8, I16: math.MinInt16, I32: math.MinInt32, I64: math.MinInt64}
	most := ends{math.MaxInt, math.MaxInt8, math.MaxInt16, math.MaxInt32, math.MaxInt64,
		math.MaxUint, math.MaxUint8, math.MaxUint16, math.MaxUint32, math.MaxUint64}
	for _, e := range []ends{least, most} {
		c.Add(context.Background(), e, 1)
		want := fmt.Sprintf(`ends_total{i="%d",i16="%d",i32="%d",i64="%d",i8="%d",u="%d",u16="%d",u32="%d",u64="%d",u8="%d"} 1.0`,
			e.I, e.I16, e.I32, e.I64, e.I8, e.U, e.U16, e.U32, e.U64, e.U8)
		check.Contains(t, m.exposition(t), want)
	}
}

// A uintptr cannot be a label: an address has no meaning.
func TestNoPointers(t *testing.T) {
	type address struct{ X uintptr }
	c, err := instrument.NewCounter[address](newMetrics(t, true).app.Meter(), "addresses")
	if want := `counter "addresses": instrument_test.address.X: must be a string, a bool or an integer, found uintptr`; err == nil || err.Error() != want {
		t.Errorf("got %v, %v, want %s", c, err, want)
	}
}
