package real

import (
	"fmt"
	"testing"
)

// TestHomePageForms opens one page of many forms and checks what they show and send.
func TestHomePageForms(t *testing.T) {
	base := serve(t, "Forms", formAPIs, nil)
	for _, test := range []struct {
		name  string
		steps []step
	}{
		{"as filled in", filledForms()}, {"controls", formControls()}, {"optional parameters", formOptions()}, {"documentation", formDocumentation()},
		{"edges", formsOfEdges()}, {"digits", formsOfDigits()}, {"batches", formsOfBatches()}, {"paths", formsOfPaths()}, {"access", formAccess()},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := browse(t, base+"/")
			b.steps(sees("APIs", `document.querySelectorAll('.api').length`, "10"))
			b.steps(test.steps...)
			b.complaints()
		})
	}
}

func filledForms() []step {
	return []step{
		does("every constraint", `ui.compact(0)`, `200 OK|{"least":7,"most":-5,"between":0.5,"multiple":12,"large":1,"long":"text text text","short":"te","colour":"red","digit":3,"shape":"AB1","sure":true,`+
			`"items":[1.5,1.5,1.5],"none":[],"parts":[{"name":"text text","size":100,"tint":null},{"name":"text text","size":100,"tint":null}],"point":[1.5,1.5],`+
			`"weights":{"key":1},"when":"2006-01-02T15:04:05Z","level":8,"limit":null}`),
		does("a list", `ui.compact(2)`, `200 OK|[1.5]`),
		does("a string", `ui.press(3)`, `200 OK|text`),
		does("no input", `ui.press(4)`, `200 OK|done`),
	}
}

func formControls() []step {
	const posted = `[...ui.posted.matchAll(/"(large|colour|digit)":[^,]*/g)].map(match => match[0])`
	return []step{
		does("choices", `['colour', 'digit', 'sure'].map(name => [...ui.control(0, name).options].map(o => o.value).join(' '))`, "red green blue,3 5,true false"),
		does("a number", `[ui.control(0, 'least').type, ui.control(0, 'least').min]`, "number,7"),
		does("an example", `ui.control(0, 'shape').value`, "AB1"),
		does("descriptions", `['between', 'multiple', 'long', 'parts', 'shape'].map(name => ui.described(0, name)).join('\n')`, "number · more than 0, less than 1|A probability.\n"+
			"integer · 10 to 30, a multiple of 3\nstring · at least 12 characters\nlist of object · at least 2 items\nstring · matches ^[A-Z]{2}[0-9]$"),
		does("send", `(ui.set(0, { colour: 'blue', digit: '5', large: '9007199254740993' }), (await ui.press(0)).slice(0, 4))`, "200 "),
		does("every digit is sent", posted, `"large":9007199254740993,"colour":"blue","digit":5`),
		does("an empty number", `(ui.set(0, { least: '' }), (await ui.press(0)).split('|')[0] + (document.activeElement === ui.control(0, 'least')))`, "least: must be a numbertrue"),
	}
}

// formOptions checks that an optional parameter is sent if its box is ticked, which
// an edit does.
func formOptions() []step {
	return []step{
		does("not sent at first", `['note', 'limit', 'tags'].map(name => ui.sent(0, name).checked)`, "false,false,false"),
		does("required", `ui.sent(0, 'least')`, "null"),
		does("edit and tick", `(ui.set(0, { note: 'a note' }), ui.sent(0, 'tags').click(), ui.sent(0, 'level').click(), ui.press(0))`, ""),
		does("sent", `['"note":"a note"', '"tags":{"a":"b"}', '"level"', '"limit"'].map(part => ui.posted.includes(part))`, "true,true,false,false"),
		does("no example", `[ui.control(1, 'code').placeholder, ui.described(1, 'code')].join('|')`, "matches ^[A-Z]{2}$|string · matches ^[A-Z]{2}$|Nothing is filled in: the type has no example."),
		does("a match", `(ui.set(1, { code: 'AB' }), ui.compact(1))`, `200 OK|{"code":"AB"}`),
	}
}

func formDocumentation() (steps []step) {
	for _, row := range []string{
		"between|number|more than 0, less than 1||A probability. Example: 0.5\n", "colour|string|one of red, green, blue||", "level|integer, optional||8|\n",
		"parts[].size|integer|100 to 127||\n", "shape|string|matches ^[A-Z]{2}[0-9]$|| Example: AB1\n", "\n400|Bad Request|application/json\n",
	} {
		steps = append(steps, does("a row", `ui.documented(0).includes(`+js(row)+`) || ui.documented(0)`, "true"))
	}
	return steps
}

// formsOfEdges compares the sent bytes of values at the limits of their types.
func formsOfEdges() (steps []step) {
	const numbers = `200 OK|{"most":18446744073709551615,"least":-9223372036854775808,"highest":18446744073709551615,"lowest":-9223372036854775808,"among":18446744073709551615,"tiny":5e-324`
	const rest = `"matched":"a\nb","long":"\na\tb","several":"a\nb","rate":-0.5`
	for _, test := range []struct{ name, values, body string }{
		{"as filled in", `{}`, `"lines":"one\n two\r\n",` + rest + `}`},
		{"edited", `{ most: '0018446744073709551615', lines: '\nthree\n' }`, `"lines":"\nthree\n",` + rest + `}`},
		{"optional", `{ limit: '7', ratio: '1.25', remark: 'so', parts: '[3]' }`, `"lines":"\nthree\n",` + rest + `,"limit":7,"ratio":1.25,"remark":"so","parts":[3]}`},
		{"emptied: only a string is sent", `{ limit: '', ratio: '', remark: '', parts: '' }`, `"lines":"\nthree\n",` + rest + `,"remark":""}`},
	} {
		steps = append(steps, does(test.name, `(ui.set(5, `+test.values+`), ui.post(5))`, numbers+","+test.body),
			does(test.name+", the response", `['"most": 18446744073709551615,', '"least": -9223372036854775808,'].every(shown => ui.answer(5).includes(shown))`, "true"))
	}
	return steps
}

// formsOfDigits checks that no digit of a number is lost, and how JSON is shown.
func formsOfDigits() []step {
	steps := []step{
		does("every digit", `ui.press(6)`, "200 OK|{\n  \"id\": 9007199254740993,\n  \"choice\": 9007199254740993,\n  \"ids\": [9007199254740993, 18446744073709551615],\n  \"named\": {\n    \"a\": 9007199254740995\n  },\n  \"least\": 9007199254740993\n}"),
		does("documented", `(text => [text.split('9007199254740993').length > 8, text.includes('9007199254740992')])($('api6').querySelector('.documentation').textContent)`, "true,false"),
	}
	for _, text := range []string{`{"a":[],"b":{},"c":[{"d":"e\"[1,\n2]: {\\"}],"f":[true,null,"g"],"h":{"i":-1.5e-3}}`, `"a"`, `7`, `[[]]`} {
		steps = append(steps, does("as JSON.stringify", fmt.Sprintf(`(v => pretty(JSON.stringify(v)).shown === JSON.stringify(v, null, 2))(%s)`, text), "true"))
	}
	for text, want := range map[string]string{
		`[1e400, 1.0,-0, 0.10]`: `[1e400, 1.0, -0, 0.10]`, `{"1":1,"0":2}`: "{\n  \"1\": 1,\n  \"0\": 2\n}",
		`no JSON, 1`: `no JSON, 1`, `{"a":1`: `{"a":1`, ``: ``,
	} {
		steps = append(steps, does("shown", `'|' + pretty(`+js(text)+`).shown`, "|"+want))
	}
	return steps
}

// formsOfBatches checks an API that takes and returns a list or one item: its form is
// filled with a list.
func formsOfBatches() (steps []step) {
	steps = []step{
		does("a list", `ui.compact(8)`, `200 OK|[4]`),
		does("described", `ui.described(8, 'texts')`, "list of string, or string"),
		does("documented", `ui.documented(8).split('\n')[0]`, "texts|list of string, or string||| Example: [\"text\"]"),
		does("the output", `$('api8').querySelector('summary').textContent`, "POST /lengths returns list of integer, or integer · batched"),
		does("one item", `(ui.set(8, { texts: '"käse"' }), ui.compact(8))`, `200 OK|5`),
	}
	for schema, want := range map[string]string{
		`{ anyOf: [{ type: 'integer' }, { type: 'null' }] }`:                                                "integer",
		`{ type: 'array', items: { anyOf: [{ type: 'string' }, { type: 'null' }] } }`:                       "list of string",
		`{ anyOf: [{ type: 'array', items: { type: 'array', items: {} } }, { type: 'array', items: {} }] }`: "list of list, or list",
		`{ oneOf: [{ type: 'array', items: {} }, { not: { type: 'array' } }] }`:                             "list, or any other value",
		`{}`: "any",
	} {
		steps = append(steps, does("type", `typeName(`+schema+`)`, want))
	}
	return steps
}

// formsOfPaths checks the parameters of a path. The body may have one of that name.
func formsOfPaths() []step {
	steps := []step{
		does("as filled in", `ui.press(9)`, "200 OK|text|text|of the body"),
		does("described", `[...$('api9').querySelectorAll('form .head')].map(head => head.textContent)`, "modelstring · at least 1 character · in the path,versionstring · at least 1 character · in the path,modelstringsend"),
		does("documented", `ui.documented(9).split('\n').slice(0, 2)`, "model|string|at least 1 character||,version|string|at least 1 character||"),
	}
	for _, value := range []string{"7", "a b", "käse", `"?#&+%2e%`, "..."} {
		steps = append(steps, does(value, `(ui.set(9, { version: `+js(value)+` }), ui.press(9))`, "200 OK|text|"+value+"|of the body"))
	}
	for _, value := range []string{"", ".", ".."} {
		steps = append(steps, does(value, `(ui.set(9, { version: `+js(value)+` }), (await ui.press(9)).split('|')[0] + (document.activeElement === ui.control(9, 'version')))`, `version: must not be empty, "." or ".."true`))
	}
	return steps
}

// formAccess checks contrasts, descriptions, ids and widths, and that a state that
// does not change is announced once.
func formAccess() []step {
	steps := []step{
		scheme("light"), does("light contrasts", `ui.leastContrast() >= 4.5 || ui.leastContrast()`, "true"),
		scheme("dark"), does("dark contrasts", `ui.leastContrast() >= 4.5 || ui.leastContrast()`, "true"),
		does("descriptions", `['two words', 'two words-about', 'volume'].map(name => ui.described(7, name)).join()`, "string|Both.,string,integer"),
		does("no id twice", `(ids => ids.length - new Set(ids).size)([...document.querySelectorAll('[id]')].map(e => e.id))`, "0"),
		does("open all", `document.querySelectorAll('details').forEach(d => { d.open = true; })`, ""),
	}
	for _, width := range []int64{360, 720, 800, 1000} {
		steps = append(steps, wide(width), sees(fmt.Sprintf("a width of %d pixels", width), fmt.Sprintf(`document.documentElement.scrollWidth <= %d`, width), "true"))
	}
	return append(steps,
		sees("a reading", `$('state').textContent`, "live"),
		does("count announcements", `(window.told = 0, new MutationObserver(list => { window.told += list.length; }).observe($('state'), { childList: true, characterData: true, subtree: true }))`, ""),
		does("two readings", `(await ui.read(2), new Promise(wake => setTimeout(() => wake(window.told))))`, "0"))
}
