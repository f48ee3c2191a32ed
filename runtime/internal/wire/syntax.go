package wire

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// syntaxFault returns where and why a body is not JSON, with BentoML's message. err is
// the decoder's reason, for an error that scanner does not find.
func syntaxFault(body []byte, err error) *fault {
	s := scanner{text: body}
	msg := s.scan()
	if msg == "" {
		return &fault{notJSON, "Invalid JSON: " + strings.TrimPrefix(err.Error(), "jsontext: ")}
	}
	before := body[:s.at]
	line := 1 + bytes.Count(before, []byte("\n"))
	column := s.at - (bytes.LastIndexByte(before, '\n') + 1)
	return &fault{notJSON, fmt.Sprintf("Invalid JSON: %s at line %d column %d", msg, line, column)}
}

// scanner finds the first error of a text that is not JSON, with the messages and the
// places of pydantic's parser.
type scanner struct {
	text []byte
	at   int    // the next character; after an error, the place behind the wrong one
	open []byte // the brackets around the place: [ and {
}

// wanted is what the grammar allows at a place.
type wanted int

const (
	aValue     wanted = iota
	firstItem         // of a list, or its end
	firstName         // of an object, or its end
	laterName         // after a comma
	laterValue        // of a list, after a comma
	aColon
	aComma // or the end of a list, an object or the text
)

const (
	endInString = "EOF while parsing a string"
	endInValue  = "EOF while parsing a value"
	notNumber   = "invalid number"
	notEscape   = "invalid escape"
	notValue    = "expected value"
)

// mostNested is how deep lists and objects may be nested in package json.
const mostNested = 10_000

// scan returns the first error, or "".
func (s *scanner) scan() (msg string) {
	for want := aValue; msg == ""; {
		s.at += len(s.text[s.at:]) - len(bytes.TrimLeft(s.text[s.at:], " \t\r\n"))
		if s.at == len(s.text) {
			return s.ended(want)
		}
		c := s.text[s.at]
		s.at++
		switch want {
		case firstName, laterName:
			want, msg = s.name(c, want)
		case aColon:
			if want = aValue; c != ':' {
				msg = "expected `:`"
			}
		case aComma:
			want, msg = s.comma(c)
		default:
			want, msg = s.value(c, want)
		}
	}
	return msg
}

// ended returns the error of a text that ends where want is allowed.
func (s *scanner) ended(want wanted) string {
	switch {
	case want == aValue, want == laterValue, want == laterName:
		return endInValue
	case len(s.open) == 0:
		return ""
	case s.open[len(s.open)-1] == '[':
		return "EOF while parsing a list"
	}
	return "EOF while parsing an object"
}

func (s *scanner) name(c byte, want wanted) (wanted, string) {
	switch {
	case c == '"':
		return aColon, s.string()
	case c != '}':
		return want, "key must be a string"
	case want == laterName:
		return want, "trailing comma"
	}
	return s.close()
}

func (s *scanner) comma(c byte) (wanted, string) {
	if len(s.open) == 0 {
		return aComma, "trailing characters"
	}
	end, next := byte(']'), laterValue
	if s.open[len(s.open)-1] == '{' {
		end, next = '}', laterName
	}
	switch c {
	case ',':
		return next, ""
	case end:
		return s.close()
	}
	return aComma, "expected `,` or `" + string(end) + "`"
}

func (s *scanner) close() (wanted, string) {
	s.open = s.open[:len(s.open)-1]
	return aComma, ""
}

func (s *scanner) value(c byte, want wanted) (wanted, string) {
	switch {
	case c == '[' || c == '{':
		if s.open = append(s.open, c); len(s.open) > mostNested {
			return want, "recursion limit exceeded"
		}
		if c == '[' {
			return firstItem, ""
		}
		return firstName, ""
	case c == ']' && want == firstItem:
		return s.close()
	case c == ']' && want == laterValue:
		return want, "trailing comma"
	case c == '"':
		return aComma, s.string()
	case c == '-' || isDigit(c):
		return aComma, s.number(c)
	}
	return aComma, s.word(c)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// word reads the rest of a word that begins with c.
func (s *scanner) word(c byte) string {
	for _, word := range []string{"true", "false", "null", "NaN", "Infinity"} {
		if c != word[0] {
			continue
		}
		begin := s.at
		for _, want := range []byte(word[1:]) {
			if s.at == len(s.text) {
				return endInValue
			}
			if s.at++; s.text[s.at-1] != want {
				return "expected ident"
			}
		}
		if c == 'N' || c == 'I' { // BentoML accepts these two
			s.at = begin
			return notValue
		}
		return ""
	}
	return notValue
}

// number reads the rest of a number that begins with c.
func (s *scanner) number(c byte) string {
	if c == '-' && s.peek() == 'I' {
		s.at++
		return s.word('I')
	}
	if c == '-' {
		if msg := s.digit(); msg != "" {
			return msg
		}
		c = s.text[s.at-1]
	}
	if c == '0' && isDigit(s.peek()) {
		s.at++
		return notNumber
	}
	s.at = digits(s.text, s.at)
	if s.peek() == '.' {
		s.at++
		if msg := s.digit(); msg != "" {
			return msg
		}
		s.at = digits(s.text, s.at)
	}
	if s.peek() == 'e' || s.peek() == 'E' {
		if s.at++; s.peek() == '+' || s.peek() == '-' {
			s.at++
		}
		if msg := s.digit(); msg != "" {
			return msg
		}
		s.at = digits(s.text, s.at)
	}
	return ""
}

// peek returns the next character; 0 at the end.
func (s *scanner) peek() byte {
	if s.at == len(s.text) {
		return 0
	}
	return s.text[s.at]
}

// digit reads one digit of a number.
func (s *scanner) digit() string {
	if s.at == len(s.text) {
		return endInValue
	}
	if s.at++; !isDigit(s.text[s.at-1]) {
		return notNumber
	}
	return ""
}

// string reads the rest of a string.
func (s *scanner) string() string {
	begin := s.at
	for s.at < len(s.text) {
		c := s.text[s.at]
		s.at++
		switch {
		case c == '"':
			return s.unicode(begin)
		case c < ' ':
			return `control character (\u0000-\u001F) found while parsing a string`
		case c == '\\':
			if msg := s.escape(); msg != "" {
				return msg
			}
		}
	}
	return endInString
}

// unicode checks the string from begin to its end.
func (s *scanner) unicode(begin int) string {
	for at := begin; at < s.at; {
		r, size := utf8.DecodeRune(s.text[at:])
		if at += size; r == utf8.RuneError && size == 1 {
			s.at = at
			return "invalid unicode code point"
		}
	}
	return ""
}

// escape reads an escape after its backslash.
func (s *scanner) escape() string {
	if s.at == len(s.text) {
		return endInString
	}
	if s.at++; s.text[s.at-1] != 'u' {
		if strings.IndexByte(`"\/bfnrt`, s.text[s.at-1]) < 0 {
			return notEscape
		}
		return ""
	}
	unit, msg := s.hex()
	if msg != "" || unit < 0xd800 || unit > 0xdfff {
		return msg
	}
	if unit < 0xdc00 {
		for _, want := range []byte(`\u`) {
			if s.at == len(s.text) {
				return endInString
			}
			if s.at++; s.text[s.at-1] != want {
				return "unexpected end of hex escape"
			}
		}
		if unit, msg = s.hex(); msg != "" || unit >= 0xdc00 && unit <= 0xdfff {
			return msg
		}
	}
	return "lone leading surrogate in hex escape"
}

// hex reads the four digits of an escape.
func (s *scanner) hex() (unit int, msg string) {
	if len(s.text)-s.at < 4 {
		s.at = len(s.text)
		return 0, endInString
	}
	for range 4 {
		digit := strings.IndexByte("0123456789abcdefABCDEF", s.text[s.at])
		s.at++
		switch {
		case digit < 0:
			return 0, notEscape
		case digit > 15:
			digit -= 6
		}
		unit = unit<<4 | digit
	}
	return unit, ""
}
