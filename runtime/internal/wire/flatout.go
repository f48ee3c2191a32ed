package wire

import (
	"bytes"
	"math"
	"reflect"
	"strconv"
	"strings"
)

// flatOut writes the results that most APIs give: structs of strings, numbers,
// booleans and lists of them. As with flat, what it does not know goes the
// general way; the bytes are the same.
type flatOut struct {
	names []string // quoted, with the colon
	index []int
}

func newFlatOut(t reflect.Type, n *node) *flatOut {
	if n.kind != kindObject || newFlat(t, n) == nil {
		return nil
	}
	f := &flatOut{}
	for i := range t.NumField() {
		sf := t.Field(i)
		if !sf.IsExported() || sf.Tag.Get("json") == "-" {
			continue
		}
		if strings.Contains(sf.Tag.Get("json"), ",") {
			return nil
		}
		name, _, _ := strings.Cut(sf.Tag.Get("json"), ",")
		if name == "" {
			name = sf.Name
		}
		f.names = append(f.names, string(quote(name))+":")
		f.index = append(f.index, i)
	}
	return f
}

// encode appends v to buf, or leaves it as it was and reports false.
func (f *flatOut) encode(buf *bytes.Buffer, v reflect.Value) bool {
	to := append(buf.AvailableBuffer(), '{')
	for i, name := range f.names {
		if i > 0 {
			to = append(to, ',')
		}
		var ok bool
		if to, ok = appendValue(append(to, name...), v.Field(f.index[i])); !ok {
			return false
		}
	}
	buf.Write(append(to, '}'))
	return true
}

func appendValue(to []byte, v reflect.Value) ([]byte, bool) {
	switch v.Kind() {
	case reflect.String:
		return appendText(to, v.String())
	case reflect.Bool:
		return strconv.AppendBool(to, v.Bool()), true
	case reflect.Slice:
		return appendList(to, v)
	case reflect.Float64:
		return appendFloat(to, v.Float())
	}
	switch {
	case v.CanInt():
		return strconv.AppendInt(to, v.Int(), 10), true
	case v.CanUint():
		return strconv.AppendUint(to, v.Uint(), 10), true
	}
	return to, false
}

func appendText(to []byte, s string) ([]byte, bool) {
	at := len(to) + 1
	to = append(append(append(to, '"'), s...), '"')
	content := to[at : len(to)-1]
	return to, bytes.IndexByte(content, '"') < 0 && simple(content)
}

// appendFloat writes whole numbers, which have one form only, and leaves the
// rest to the general way.
func appendFloat(to []byte, f float64) ([]byte, bool) {
	if f != math.Trunc(f) || math.Abs(f) >= 1<<53 || f == 0 && math.Signbit(f) {
		return to, false
	}
	return strconv.AppendInt(to, int64(f), 10), true
}

func appendList(to []byte, v reflect.Value) ([]byte, bool) {
	to = append(to, '[')
	for i := range v.Len() {
		if i > 0 {
			to = append(to, ',')
		}
		var ok bool
		if to, ok = appendValue(to, v.Index(i)); !ok {
			return to, false
		}
	}
	return append(to, ']'), true
}
