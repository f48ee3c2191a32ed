package config

import (
	"encoding/hex"
	"fmt"
	"math/big"
	"regexp"
	"strconv"
	"strings"
)

// IDFormat is how an id is written: a width, "0" before it to fill with zeros
// instead of spaces, and x, X or d for the base. It is the part of Python's
// format specification that fits an id. [ParseIDFormat] makes one. The zero
// IDFormat writes decimal numbers.
type IDFormat struct {
	width int
	zeros bool
	verb  byte // 0: d, not written
}

var idFormat = regexp.MustCompile(`^(0?)([0-9]{0,3})([xXd]?)$`)

// ParseIDFormat reads a format such as "032x" or "d".
func ParseIDFormat(format string) (IDFormat, error) {
	var f IDFormat
	err := f.UnmarshalText([]byte(format))
	return f, err
}

// Format writes an id, which is one big-endian number.
func (f IDFormat) Format(id []byte) string {
	if f.verb == 'x' && f.zeros && f.width == hex.EncodedLen(len(id)) {
		return hex.EncodeToString(id)
	}
	base := 10
	if f.verb == 'x' || f.verb == 'X' {
		base = 16
	}
	digits := new(big.Int).SetBytes(id).Text(base)
	if f.verb == 'X' {
		digits = strings.ToUpper(digits)
	}
	fill := " "
	if f.zeros {
		fill = "0"
	}
	return strings.Repeat(fill, max(0, f.width-len(digits))) + digits
}

// String returns the format as [ParseIDFormat] reads it.
func (f IDFormat) String() string {
	var b strings.Builder
	if f.zeros {
		b.WriteByte('0')
	}
	if f.width > 0 {
		b.WriteString(strconv.Itoa(f.width))
	}
	if f.verb != 0 {
		b.WriteByte(f.verb)
	}
	return b.String()
}

// MarshalText returns String.
func (f IDFormat) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText reads a format.
func (f *IDFormat) UnmarshalText(format []byte) error {
	found := idFormat.FindSubmatch(format)
	if found == nil {
		return fmt.Errorf("must be a width and x, X or d, such as 032x, found %s", quote(string(format)))
	}
	*f = IDFormat{zeros: len(found[1]) > 0}
	f.width, _ = strconv.Atoi(string(found[2])) // at most three digits; none is 0
	if len(found[3]) > 0 {
		f.verb = found[3][0]
	}
	return nil
}
