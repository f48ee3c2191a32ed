package wire

import (
	"cmp"
	"strconv"
	"strings"
)

// integer is a whole number between -(1<<64-1) and 1<<64-1, which includes every
// value of Go's integer types.
type integer struct {
	negative  bool // false for 0
	magnitude uint64
}

// parseInteger reads decimal digits with an optional sign.
func parseInteger(s string) (integer, error) {
	digits := strings.TrimPrefix(s, "-")
	negative := len(digits) < len(s)
	if !negative {
		digits = strings.TrimPrefix(s, "+")
	}
	magnitude, err := strconv.ParseUint(digits, 10, 64)
	return integer{negative && magnitude > 0, magnitude}, err
}

func signed(v int64) integer {
	if v < 0 {
		return integer{true, -uint64(v)}
	}
	return integer{magnitude: uint64(v)}
}

func (i integer) compare(j integer) int {
	switch {
	case i.negative != j.negative && i.negative:
		return -1
	case i.negative != j.negative:
		return 1
	case i.negative:
		return cmp.Compare(j.magnitude, i.magnitude)
	}
	return cmp.Compare(i.magnitude, j.magnitude)
}

func (i integer) String() string {
	digits := strconv.FormatUint(i.magnitude, 10)
	if i.negative {
		return "-" + digits
	}
	return digits
}
