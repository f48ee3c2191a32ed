package wire

import (
	"image"
	"io"
	"reflect"
	"strings"
)

// typeName returns the name of t for errors. A struct type without a name is "struct",
// because its full type would be too long.
func typeName(t reflect.Type) string {
	switch {
	case t.Name() != "":
	case t.Kind() == reflect.Struct && t.NumField() > 0:
		return "struct"
	case t.Kind() == reflect.Pointer:
		return "*" + typeName(t.Elem())
	case t.Kind() == reflect.Slice:
		return "[]" + typeName(t.Elem())
	case t.Kind() == reflect.Array:
		return strings.TrimSuffix(t.String(), t.Elem().String()) + typeName(t.Elem())
	case t.Kind() == reflect.Map:
		return "map[" + typeName(t.Key()) + "]" + typeName(t.Elem())
	}
	return t.String()
}

// subject returns the name of t and a space, or "" if where has this name already.
func subject(t reflect.Type, where string) string {
	if strings.TrimLeft(where, "*") == typeName(t) {
		return ""
	}
	return typeName(t) + " "
}

func (c *compiler) direction() string {
	if c.output {
		return "written as JSON"
	}
	return "read from JSON"
}

var (
	readerType = reflect.TypeFor[io.Reader]()
	writerType = reflect.TypeFor[io.Writer]()
	errorType  = reflect.TypeFor[error]()
)

// unsupported says what to use in place of a type without JSON; "" if t has JSON.
func (c *compiler) unsupported(t reflect.Type) string {
	if isImage(t) {
		if len(c.attachments) == 0 {
			return "it is an image; encode it, and use []byte"
		}
		return "it is an image; use image.Image or runtime.Image"
	}
	switch t.Kind() {
	case reflect.Chan:
		return "it is a channel; use a slice"
	case reflect.Func:
		return "it is a function; use the value that it returns"
	case reflect.Complex64, reflect.Complex128:
		return "JSON has no complex numbers; use a struct of two floats"
	case reflect.Interface:
		return c.unsupportedInterface(t)
	case reflect.Struct:
		return unsupportedStruct(t)
	}
	return "it has no form in JSON; use a struct, a map, a slice, a string, a number or a bool"
}

func (c *compiler) unsupportedInterface(t reflect.Type) string {
	switch {
	case t.NumMethod() == 0:
		return ""
	case t.Implements(readerType), t.Implements(writerType):
		return stream
	case t.PkgPath() == "net/http", t.PkgPath() == "context", handles(t):
		return "use a struct with the fields that you need"
	case c.output && t.Implements(errorType):
		return "return it as the function's error, or its text as a string"
	case c.output:
		return "" // it is written as the value in the interface
	}
	return "an interface with methods does not say which type to decode into; use a struct, or any"
}

// isImage reports whether t or *t is an image.Image, whose pixels would be numbers in JSON.
// An image.Rectangle has these methods too, but is read and written as its corners.
func isImage(t reflect.Type) bool {
	if t.Kind() != reflect.Interface {
		t = reflect.PointerTo(t)
	}
	_, colours := t.MethodByName("ColorModel")
	_, pixels := t.MethodByName("At")
	return colours && pixels && t != reflect.TypeFor[*image.Rectangle]()
}

// handles reports whether t has the method of an http.Handler. This package does not
// import net/http.
func handles(t reflect.Type) bool {
	_, ok := t.MethodByName("ServeHTTP")
	return ok
}

const stream = "it is a stream; use a string, or []byte, which is base64 in JSON"

func unsupportedStruct(t reflect.Type) string {
	switch {
	case t.PkgPath() == "mime/multipart":
		return "use runtime.File"
	case t.PkgPath() == "net/http":
		return "use a struct with the fields that you need"
	case t.NumField() == 0 || exported(t):
		return ""
	}
	if pointer := reflect.PointerTo(t); pointer.Implements(readerType) || pointer.Implements(writerType) {
		return stream
	}
	return "it has no exported fields; begin their names with a capital letter"
}

// exported reports whether t, or a struct that it embeds, has exported fields.
func exported(t reflect.Type) bool {
	for i := range t.NumField() {
		sf := t.Field(i)
		if sf.IsExported() || sf.Anonymous && sf.Type.Kind() == reflect.Struct && exported(sf.Type) {
			return true
		}
	}
	return false
}

// unused adds an error if t has a method Validate, which would not be called.
func (c *compiler) unused(t reflect.Type, where string) {
	if _, ok := reflect.PointerTo(t).MethodByName("Validate"); !ok || c.output || t.Kind() == reflect.Interface {
		return
	}
	c.failf(where, "%shas a method Validate, which is not called: write the rules as struct tags such as minimum and pattern, "+
		"or rename the method and call it in the API's function", subject(t, where))
}
