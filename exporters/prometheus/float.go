package prometheus

import (
	"math"
	"strconv"
)

// appendFloat appends v as floatToGoString of prometheus_client 0.26 writes
// it: Python's repr, except that a positive number of seven or more digits
// before the dot takes an exponent, as Go's %v does. In the classic format
// Prometheus stores le="1" and le="1.0" as two series, so a fleet with Python servers
// needs exactly these bytes.
//
// Go's shortest form has the same digits as repr. The two differ in when they use an
// exponent. repr uses one below 1e-4 and from 1e16 on, for both signs; the exception
// above lowers the upper limit to 1e6 for positive numbers.
func appendFloat(b []byte, v float64) []byte {
	if v >= 0 && v < 1e6 {
		if n := uint64(v); float64(n) == v {
			if n == 0 && math.Signbit(v) {
				b = append(b, '-')
			}
			b = strconv.AppendUint(b, n, 10)
			return append(b, '.', '0')
		}
	}
	abs := math.Abs(v)
	switch {
	case math.IsNaN(v):
		return append(b, "NaN"...)
	case math.IsInf(v, 1):
		return append(b, "+Inf"...)
	case math.IsInf(v, -1):
		return append(b, "-Inf"...)
	case v >= 1e6, abs >= 1e16, abs < 1e-4:
		return strconv.AppendFloat(b, v, 'e', -1, 64)
	}
	b = strconv.AppendFloat(b, v, 'f', -1, 64)
	if v == math.Trunc(v) {
		b = append(b, '.', '0')
	}
	return b
}

// appendCount appends a count in the form of a float.
func appendCount(b []byte, n uint64) []byte {
	if n < 1e6 {
		b = strconv.AppendUint(b, n, 10)
		return append(b, '.', '0')
	}
	return appendFloat(b, float64(n))
}

// FormatFloat returns v as /metrics shows it: 1.0, 0.17279999999999998.
func FormatFloat(v float64) string { return string(appendFloat(nil, v)) }
