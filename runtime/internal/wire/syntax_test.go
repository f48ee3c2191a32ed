package wire

import (
	"errors"
	"strings"
	"testing"
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
		var v any
		check(text, want, whole.Decode([]byte(text), &v), "as the body")
		if text[0] == '\xef' || text[0] == '\xff' || strings.HasPrefix(text, "{\"\":") || strings.Contains(text, "]]") || strings.Contains(text, "}}") {
			return // means something else inside another object
		}
		var a around
		check(text, want, wrapped.Decode([]byte(`{"any":`+text+`,"i":1}`), &a), "as an any")
	}
	for _, text := range legal {
		try(text, true)
		var v struct {
			I int `json:"i"`
		}
		check(text, true, flat.Decode([]byte(`{"x":`+text+`,"i":1}`), &v), "as an unknown field")
	}
	for _, text := range illegal {
		try(text, false)
	}
	for text, want := range own {
		try(text, want)
	}
}
