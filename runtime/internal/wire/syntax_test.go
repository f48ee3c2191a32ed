package wire

import (
	"errors"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// The grammar of RFC 8259, by cases like those of JSONTestSuite.
var (
	legal = []string{
		`[[]   ]`, `[]`, `[""]`, `[false]`, `["a"]`, `[null]`, "[1\n]", ` [1]`, `[1,null,null,null,2]`, `[2] `, `[123e65]`, `[0e+1]`, `[0e1]`, `[ 4]`,
		`[-0.000000000000000000000000000000000000000000000000000000000000000000000000000001]`, `[20e1]`, `[-0]`, `[-123]`, `[-1]`, `[1E22]`, `[1E-2]`, `[1E+2]`,
		`[123e45]`, `[123.456e78]`, `[1e-2]`, `[1e+2]`, `[123]`, `[123.456789]`,
		`{"asd":"sdf", "dfg":"fgh"}`, `{"asd":"sdf"}`, `{"a":"b","a":"c"}`, `{"a":"b","a":"b"}`, `{}`, `{"":0}`, `{"foo\u0000bar": 42}`, `{ "min": -1.0e+28, "max": 1.0e+28 }`,
		`{"x":[{"id": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}], "id": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}`, `{"a":[]}`, "{\n\"a\": \"b\"\n}",
		`{"title":"\u041f\u043e\u043b\u0442\u043e\u0440\u0430" }`, `["\u0060\u012a\u12AB"]`, `["\uD801\udc37"]`, `["\ud83d\ude39\ud83d\udc8d"]`, `["\"\\\/\b\f\n\r\t"]`,
		`["\\u0000"]`, `["\""]`, `["a/*b*/c/*d//e"]`, `["\\a"]`, `["\\n"]`, `["\u0012"]`, `["\uFFFF"]`, `["asd"]`, `[ "asd"]`, `["\uDBFF\uDFFF"]`, `["new\u00A0line"]`,
		"[\"\U0010ffff\"]", "[\"\uffff\"]", `["\u0000"]`, `["\u002c"]`, `["π"]`, "[\"\U0001bfff\"]", `["asd "]`, `" "`, `["\uD834\uDd1e"]`, `["\u0821"]`, `["\u0123"]`,
		"[\"\u2028\"]", "[\"\u2029\"]", `["\u0061\u30af\u30EA\u30b9"]`, "[\"new\u00a0line\"]", "[\"\x7f\"]", `["\uA66D"]`, `["\u005C"]`, "[\"\u2342\u3234\u2342\"]",
		`["\u200B"]`, `["\u2064"]`, `["\uFDD0"]`, `["\uFFFE"]`, `["\u0022"]`, "[\"a\x7fa\"]", `[[[[[[[[1]]]]]]]]`,
		`false`, `42`, `-0.1`, `null`, `"asd"`, `true`, `""`, "[\"a\"]\n", `[true]`, ` [] `, "\t\r\n[\t]\r\n",
	}
	illegal = []string{
		`[1 true]`, "[a\xe5]", `["": 1]`, `[""],`, `[,1]`, `[1,,2]`, `["x",,]`, `["x"]]`, `["",]`, `["x"`, `[x`, `[3[4]]`, "[\xff]", `[1:2]`, `[,]`, `[-]`, `[   , ""]`, "[\"a\",\n4\n,1,",
		`[1,]`, `[1,,]`, "[\"\va\"\\f]", `[*]`, `[""`, `[1,`, "[1,\n1\n,1", `[{}`, `[fals]`, `[nul]`, `[tru]`, `[True]`, `[TRUE]`, `[undefined]`, `[None]`,
		`123` + "\x00", `[++1234]`, `[+1]`, `[+Inf]`, `[-01]`, `[-1.0.]`, `[-2.]`, `[-NaN]`, `[.-1]`, `[.2e-3]`, `[0.1.2]`, `[0.3e+]`, `[0.3e]`, `[0.e1]`, `[0E+]`, `[0E]`, `[0e+]`, `[0e]`,
		`[1.0e+]`, `[1.0e-]`, `[1.0e]`, `[1 000.0]`, `[1eE2]`, `[2.e+3]`, `[2.e-3]`, `[2.e3]`, `[9.e+]`, `[Inf]`, `[NaN]`, `[Infinity]`, `[-Infinity]`, "[\uff11]", `[1+2]`, `[0x1]`, `[0x42]`,
		"[123\xe5]", "[1e1\xe5]", "[0\xe5]", `[-foo]`, `[- 1]`, `[-012]`, `[-.123]`, `[-1x]`, `[1ea]`, "[1e\xe5]", `[1.]`, `[.123]`, `[1.2a-3]`, `[1.8011670033376514H-308]`, `[012]`, `[1_000]`, `[1a]`,
		`["x", truth]`, `{[: "x"}`, `{"x", null}`, `{"x"::"b"}`, `{🇨🇭}`, `{"a":"a" 123}`, `{key: 'value'}`, "{\"\xb9\":\"0\",}", `{"a" b}`, `{:"b"}`, `{"a" "b"}`, `{"a":`, `{"a"`, `{1:1}`,
		`{9999E9999:1}`, `{null:null,null:null}`, `{"id":0,,,,,}`, `{'a':0}`, `{"id":0,}`, `{"a":"b"}/**/`, `{"a":"b"}/**//`, `{"a":"b"}//`, `{"a":"b"}/`, `{"a":"b",,"c":"d"}`, `{a: "b"}`,
		`{"a":"a`, `{ "foo" : "bar", "a" }`, `{"a":"b"}#`, ` `, `["\uD800\"]`, `["\uD800\u"]`, `["\uD800\u1"]`, `["\uD800\u1x"]`, `[é]`, "[\"\\\x00\"]", `["\x00"]`, `["\\\"]`, "[\"\\\t\"]", `["\🌀"]`,
		`["\"]`, `["\u00A"]`, `["\uD834\uDd"]`, `["\uD800\uD800\x"]`, "[\"\\u\xe5\"]", `["\a"]`, `["\uqqqq"]`, "[\"\\\xe5\"]", `[\u0020"asd"]`, `[\n]`, `"`, `['single quote']`, `abc`, `["\`,
		"[\"a\x00a\"]", "[\"new\nline\"]", "[\"\t\"]", `"\UA66D"`, `""x`, "[\u2060]", "\xef\xbb\xbf", "\xef\xbb\xbf{}", `<.>`, `[<null>]`, `[1]x`, `[1]]`, `["asd]`, "a\xcc\x8a", `[True]`, `1]`, `{"x": true,`,
		`[][]`, `]`, "\xef\xbb{}", "\xe5", `[`, "[\x00]", `2@`, `{}}`, `{"":`, `{"a":/*comment*/"b"}`, `{"a": true} "x"`, `['`, `["a`, `[,`, `[{`, `{`, `{"a`, `{'a'`, `["\{["\{["\{["\{`, "\xe9",
		`*`, `{"a":"b"}#{}`, `[\u000A""]`, `[1`, `[ false, nul`, `[ true, fals`, `[ false, tru`, `{"asd":"asd"`, `å`, "[\f]", "[\u2003]", `nan`, `{"a":1}{"b":2}`, "{\"a\":1}\x1e",
		strings.Repeat(`[`, 100_000), strings.Repeat(`[{"":`, 50_000),
	}
	// own has our results for cases that the RFC leaves open.
	own = map[string]bool{
		`[123.456e-789]`: true, `[0.4e-66999999999999999999999999999999999999999999999]`: true, `[-1e-9999]`: true,
		`[1e400]`: false, `[-1e9999]`: false, `[0.4e0066999999999999999]`: false,
		`[-123123123123123123123123123123]`: true, `[100000000000000000000]`: true,
		`["\uDADA"]`: false, `["\uD888\u1234"]`: false, `["\ud800"]`: false, `["\udc00\ud800"]`: false, `{"\uDFAA":0}`: false, `["\ud83d\u0041"]`: false,
		"[\"\xed\xa0\x80\"]": false, "[\"\xc0\xaf\"]": false, "[\"\xf4\xbf\xbf\xbf\"]": false, "[\"\xff\"]": false, "[\"\xe6\x97\xa5\xd1\x88\xfa\"]": false,
		"\xef\xbb\xbf[]": false, "\xff\xfe[\x00]\x00": false, "[\x00]": false,
		strings.Repeat(`[`, 500) + strings.Repeat(`]`, 500):       true,
		strings.Repeat(`[`, 20_000) + strings.Repeat(`]`, 20_000): false,
	}
)

// badJSON has texts that are not JSON, with pydantic's message, line and column.
var badJSON = []struct{ body, want string }{
	{`{"v":]}`, "expected value@1:6"},
	{`{"v":}`, "expected value@1:6"},
	{`{"v":)`, "expected value@1:6"},
	{`{"v":[1,]}`, "trailing comma@1:9"},
	{`{"v":[1,],"w":2}`, "trailing comma@1:9"},
	{`{"v":[],}`, "trailing comma@1:9"},
	{`{"v":01}`, "invalid number@1:7"},
	{`{"v":-01}`, "invalid number@1:8"},
	{`{"v":00.1}`, "invalid number@1:7"},
	{`{"v":1.e5}`, "invalid number@1:8"},
	{`{"v":1e}`, "invalid number@1:8"},
	{`{"v":1e+}`, "invalid number@1:9"},
	{`{"v":-}`, "invalid number@1:7"},
	{`{"v":-a}`, "invalid number@1:7"},
	{`{"v":+1}`, "expected value@1:6"},
	{`{"v":.1}`, "expected value@1:6"},
	{`{"v":tru}`, "expected ident@1:9"},
	{`{"v":trux}`, "expected ident@1:9"},
	{`{"v":nulll}`, "expected `,` or `}`@1:10"},
	{`{"v":fals}`, "expected ident@1:10"},
	{`{"v":True}`, "expected value@1:6"},
	{`{"v":undefined}`, "expected value@1:6"},
	{`{"v":"\q"}`, "invalid escape@1:8"},
	{`{"v":"\u12"}`, "invalid escape@1:11"},
	{`{"v":"\u12G4"}`, "invalid escape@1:11"},
	{`{"v":"\u"}`, "EOF while parsing a string@1:10"},
	{"{\"v\":\"\u0001\"}", `control character (\u0000-\u001F) found while parsing a string@1:7`},
	{"{\"v\":\"\n\"}", `control character (\u0000-\u001F) found while parsing a string@2:0`},
	{`{"v":1,,"w":2}`, "key must be a string@1:8"},
	{`{"v":1;"w":2}`, "expected `,` or `}`@1:7"},
	{`{"v"=1}`, "expected `:`@1:5"},
	{`{"v",1}`, "expected `:`@1:5"},
	{`{"v":1 "w":2}`, "expected `,` or `}`@1:8"},
	{`{"v":[1 2]}`, "expected `,` or `]`@1:9"},
	{`{"v":[1;2]}`, "expected `,` or `]`@1:8"},
	{`{"v":{"a" 1}}`, "expected `:`@1:11"},
	{`{"v":{a:1}}`, "key must be a string@1:7"},
	{`{'v':1}`, "key must be a string@1:2"},
	{`{v:1}`, "key must be a string@1:2"},
	{`{1:2}`, "key must be a string@1:2"},
	{`{"v":1}}`, "trailing characters@1:8"},
	{`{"v":1}]`, "trailing characters@1:8"},
	{`{"v":1},`, "trailing characters@1:8"},
	{`[{"v":1}`, "EOF while parsing a list@1:8"},
	{`{"v":{"a":1,}}`, "trailing comma@1:13"},
	{`{"v":{,}}`, "key must be a string@1:7"},
	{`{"v":[,1]}`, "expected value@1:7"},
	{`{"v":[1,,2]}`, "expected value@1:9"},
	{`\{"v":1}`, "expected value@1:1"},
	{`{"v":\"a"}`, "expected value@1:6"},
	{"{\"v\":1\n\n\"w\":2}", "expected `,` or `}`@3:1"},
	{"{\n \"v\": [\n 1,\n ]\n}", "trailing comma@4:2"},
	{"{\"v\":1}\n\nx", "trailing characters@3:1"},
	{"{\"v\":\"abc\n}", `control character (\u0000-\u001F) found while parsing a string@2:0`},
	{`{"v":0x10}`, "expected `,` or `}`@1:7"},
	{`{"v":1_000}`, "expected `,` or `}`@1:7"},
	{`{"v":1L}`, "expected `,` or `}`@1:7"},
	{`{"v":"a" "b"}`, "expected `,` or `}`@1:10"},
	{`{"v":/*c*/1}`, "expected value@1:6"},
	{"{\"v\":1 // c\n}", "expected `,` or `}`@1:8"},
	{`{"v":1}#`, "trailing characters@1:8"},
	{`<html>`, "expected value@1:1"},
	{`text=abc`, "expected ident@1:2"},
	{`v=1&w=2`, "expected value@1:1"},
	{`{"v":nan}`, "expected ident@1:7"},
	{`{"v":inf}`, "expected value@1:6"},
	{`{`, "EOF while parsing an object@1:1"},
	{`{"v"`, "EOF while parsing an object@1:4"},
	{`{"v":`, "EOF while parsing a value@1:5"},
	{`{"v":1`, "EOF while parsing an object@1:6"},
	{`{"v":1,`, "EOF while parsing a value@1:7"},
	{`{"v":1 `, "EOF while parsing an object@1:7"},
	{`{"v":1, `, "EOF while parsing a value@1:8"},
	{`[`, "EOF while parsing a list@1:1"},
	{`[1`, "EOF while parsing a list@1:2"},
	{`[1,`, "EOF while parsing a value@1:3"},
	{`{"v":[`, "EOF while parsing a list@1:6"},
	{`{"v":[1`, "EOF while parsing a list@1:7"},
	{`{"v":[1,`, "EOF while parsing a value@1:8"},
	{`{"v":[1, `, "EOF while parsing a value@1:9"},
	{`{"v":"abc`, "EOF while parsing a string@1:9"},
	{`{"v":"a\`, "EOF while parsing a string@1:8"},
	{`{"v":"a\u1`, "EOF while parsing a string@1:10"},
	{`{"v`, "EOF while parsing a string@1:3"},
	{`{"`, "EOF while parsing a string@1:2"},
	{`{"v":tr`, "EOF while parsing a value@1:7"},
	{`{"v":-`, "EOF while parsing a value@1:6"},
	{`{"v":1.`, "EOF while parsing a value@1:7"},
	{`{"v":1e`, "EOF while parsing a value@1:7"},
	{`{"v":1e+`, "EOF while parsing a value@1:8"},
	{`{"v":{`, "EOF while parsing an object@1:6"},
	{`{"v":{"a"`, "EOF while parsing an object@1:9"},
	{`{"v":{"a":`, "EOF while parsing a value@1:10"},
	{`{"v":nul`, "EOF while parsing a value@1:8"},
	{`{"v":{"a":1`, "EOF while parsing an object@1:11"},
	{`{"v":{"a":1,`, "EOF while parsing a value@1:12"},
	{`  `, "EOF while parsing a value@1:2"},
	{`"abc`, "EOF while parsing a string@1:4"},
	{`tru`, "EOF while parsing a value@1:3"},
	{`{"v":"\ud800"}`, "unexpected end of hex escape@1:13"},
	{`{"v":"\ud800x"}`, "unexpected end of hex escape@1:13"},
	{`{"v":"\ud800\u0041"}`, "lone leading surrogate in hex escape@1:18"},
	{`{"v":"\udc00"}`, "lone leading surrogate in hex escape@1:12"},
	{`{"v":"\ud800\n"}`, "unexpected end of hex escape@1:14"},
	{`{"v":"\ud800\u00"}`, "invalid escape@1:17"},
	{`{"v":"\ud800`, "EOF while parsing a string@1:12"},
	{`{"v":"\ud800\u`, "EOF while parsing a string@1:14"},
	{`{"v":[1,}`, "expected value@1:9"},
	{`{"v":[1}`, "expected `,` or `]`@1:8"},
	{`{"v":1,]`, "key must be a string@1:8"},
	{`{"v":1]`, "expected `,` or `}`@1:7"},
	{`{"v":[}`, "expected value@1:7"},
	{`{]`, "key must be a string@1:2"},
	{`{"v"]`, "expected `:`@1:5"},
	{`{"v":{]}}`, "key must be a string@1:7"},
	{`{"v":None}`, "expected ident@1:7"},
	{`{"v":Nan}`, "expected ident@1:8"},
	{`{"v":NaM}`, "expected ident@1:8"},
	{`{"v":N}`, "expected ident@1:7"},
	{`{"v":-I}`, "expected ident@1:8"},
	{`{"v":-Inf}`, "expected ident@1:10"},
	{`{"v":Infinitx}`, "expected ident@1:13"},
	{`{"v":I}`, "expected ident@1:7"},
	{`{"v":-x}`, "invalid number@1:7"},
	{`{"v":- 1}`, "invalid number@1:7"},
	{`{"v":1.x}`, "invalid number@1:8"},
	{`{"v":1.}`, "invalid number@1:8"},
	{`{"v":1ex}`, "invalid number@1:8"},
	{`{"v":0x1}`, "expected `,` or `}`@1:7"},
	{`{"v":0a}`, "expected `,` or `}`@1:7"},
	{`{"v":1a}`, "expected `,` or `}`@1:7"},
	{`{"v":00}`, "invalid number@1:7"},
	{`{"v":0 1}`, "expected `,` or `}`@1:8"},
	{`{"v":0"1"}`, "expected `,` or `}`@1:7"},
	{`{"v":-"1"}`, "invalid number@1:7"},
	{`{"v":t}`, "expected ident@1:7"},
	{`{"v":truee}`, "expected `,` or `}`@1:10"},
	{`{"v":f1}`, "expected ident@1:7"},
	{`{"v":nu"x"}`, "expected ident@1:8"},
	{"{\"v\":\"a\u0001b\"}", `control character (\u0000-\u001F) found while parsing a string@1:8`},
	{"{\"v\":\"a\\\nb\"}", "invalid escape@2:0"},
	{`{"v":"\`, "EOF while parsing a string@1:7"},
	{`{"\x":1}`, "invalid escape@1:4"},
	{`{"\u00":1}`, "invalid escape@1:7"},
	{"{\"a\n\":1}", `control character (\u0000-\u001F) found while parsing a string@2:0`},
	{`{"v":"é\x"}`, "invalid escape@1:10"},
	{"{\"v\":\"é\n\"}", `control character (\u0000-\u001F) found while parsing a string@2:0`},
	{`{"v" "w"}`, "expected `:`@1:6"},
	{`{"v":1 : 2}`, "expected `,` or `}`@1:8"},
	{`[:1]`, "expected value@1:2"},
	{`{:1}`, "key must be a string@1:2"},
	{`:`, "expected value@1:1"},
	{`}`, "expected value@1:1"},
	{`]`, "expected value@1:1"},
	{`,`, "expected value@1:1"},
	{`{"v":"\u00e"}`, "invalid escape@1:12"},
	{`{"v":"\u00eé"}`, "invalid escape@1:12"},
	{`{"v":"\ué"}`, "invalid escape@1:9"},
	{`{"v":"\u123"`, "invalid escape@1:12"},
	{`{"v":"\u12"`, "EOF while parsing a string@1:11"},
	{"\ufeff{}", "expected value@1:1"},
	{`{"v":.5}`, "expected value@1:6"},
	{`{"v":1;}`, "expected `,` or `}`@1:7"},
	{`{"v":"x" + "y"}`, "expected `,` or `}`@1:10"},
	{`{"v":@}`, "expected value@1:6"},
	{`{"v":é}`, "expected value@1:6"},
	{`{"v":[1,2,é]}`, "expected value@1:11"},
	{`{é:1}`, "key must be a string@1:2"},
	{`{"v":1}é`, "trailing characters@1:8"},
	{`{"v":[[],[1,],2]}`, "trailing comma@1:13"},
	{`{"v":{"a":{"b":1,},"c":2}}`, "trailing comma@1:18"},
	{`{"v":[{"a":1,}]}`, "trailing comma@1:14"},
	{`{"v":[{a:1}]}`, "key must be a string@1:8"},
}

// The message is the same wherever the decoder finds the error: in a parameter, in an
// any and in an unknown member.
func TestSyntaxMessages(t *testing.T) {
	for _, test := range badJSON {
		message, place, _ := strings.Cut(test.want, "@")
		line, column, _ := strings.Cut(place, ":")
		want := "json_invalid [] Invalid JSON: " + message + " at line " + line + " column " + column
		for name, of := range map[string]func(*testing.T, string) string{
			"int": faults[struct {
				V int `json:"v"`
			}],
			"any": faults[struct {
				V any `json:"v"`
			}],
			"list": faults[struct {
				V [][]string `json:"v"`
			}],
			"map": faults[struct {
				V map[string]map[string]int `json:"v"`
			}],
			"unknown": faults[struct{}],
			"items": func(t *testing.T, body string) string {
				return shown[string](t, body)
			},
		} {
			if got := of(t, test.body); got != want {
				t.Errorf("%s: %q: got\n%s, want\n%s", name, test.body, got, want)
			}
		}
	}
}

// Each case is tried as a whole body, as the value of an any and as the value of
// an unknown field.
func TestSyntax(t *testing.T) {
	type around struct {
		I   int `json:"i"`
		Any any `json:"any,omitempty"`
	}
	whole, wrapped, flat := mustInput[any](t), mustInput[around](t), mustInput[struct {
		I int `json:"i"`
	}](t)
	check := func(text string, want bool, verdict error, where string) {
		t.Helper()
		var invalid *Invalid
		if verdict != nil && !errors.As(verdict, &invalid) {
			t.Errorf("%.80q %s: %v", text, where, verdict)
		}
		if (verdict == nil) != want {
			t.Errorf("%.80q %s: accepted is %v", text, where, !want)
		}
	}
	try := func(text string, want bool) {
		s := scanner{text: []byte(text)}
		if msg := s.scan(); (msg == "") != jsontext.Value(text).IsValid(options) {
			t.Errorf("%.80q: the scanner says %q", text, msg)
		}
		var v any
		check(text, want, whole.Decode(t.Context(), []byte(text), Files{}, &v), "as the body")
		if text[0] == '\xef' || text[0] == '\xff' || strings.HasPrefix(text, "{\"\":") || strings.Contains(text, "]]") || strings.Contains(text, "}}") {
			return // means something else inside another object
		}
		var a around
		check(text, want, wrapped.Decode(t.Context(), []byte(`{"any":`+text+`,"i":1}`), Files{}, &a), "as an any")
	}
	for _, text := range legal {
		try(text, true)
		var v struct {
			I int `json:"i"`
		}
		check(text, true, flat.Decode(t.Context(), []byte(`{"x":`+text+`,"i":1}`), Files{}, &v), "as an unknown field")
	}
	for _, text := range illegal {
		try(text, false)
	}
	for text, want := range own {
		try(text, want)
	}
}
