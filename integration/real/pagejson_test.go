package real

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/runtime"
)

// TestPageKeepsDigits has numbers that JavaScript would round, as defaults, as
// examples and in answers.
func TestPageKeepsDigits(t *testing.T) {
	type input struct {
		ID     uint64            `json:"id" default:"9007199254740993"`
		Choice uint64            `json:"choice" enum:"1,9007199254740993" default:"9007199254740993"`
		IDs    []uint64          `json:"ids" example:"[9007199254740993, 18446744073709551615]"`
		Named  map[string]uint64 `json:"named" example:"{\"a\": 9007199254740995}"`
		Least  uint64            `json:"least" minimum:"3" example:"9007199254740993"`
	}
	svc := runtime.NewService("Digits")
	runtime.Handle(svc, "echo", func(_ context.Context, in input) (input, error) { return in, nil })
	runtime.Handle(svc, "list", func(_ context.Context, in []uint64) ([]uint64, error) { return in, nil })
	b := browse(t, served(t, svc, nil)+"/")
	eventually(t, "the APIs", func() bool { return b.number(`document.querySelectorAll('.api').length`) == 2 })
	status, answer := b.press(0)
	const want = `{
  "id": 9007199254740993,
  "choice": 9007199254740993,
  "ids": [9007199254740993, 18446744073709551615],
  "named": {
    "a": 9007199254740995
  },
  "least": 9007199254740993
}`
	if !strings.HasPrefix(status, "200 ") || answer != want {
		t.Errorf("%s\n%s", status, answer)
	}
	if documented := b.text(`$('api0').querySelector('.documentation').textContent`); strings.Count(documented, "9007199254740993") < 8 || strings.Contains(documented, "9007199254740992") {
		t.Errorf("the documentation has %s", documented)
	}
	if problems := b.complaints(); len(problems) > 0 {
		t.Errorf("the browser complains: %q", problems)
	}
	for _, text := range []string{`{"a":[],"b":{},"c":[{"d":"e\"[1,\n2]: {\\"}],"f":[true,null,"g"],"h":{"i":-1.5e-3}}`, `"a"`, `7`, `[[]]`} {
		if got := b.text(fmt.Sprintf(`pretty(JSON.stringify(JSON.parse(%q))).shown`, text)); got != b.text(fmt.Sprintf(`JSON.stringify(JSON.parse(%q), null, 2)`, text)) {
			t.Errorf("%s is shown as %s", text, got)
		}
	}
	for text, want := range map[string]string{
		`[1e400, 1.0,-0, 0.10]`: `[1e400, 1.0, -0, 0.10]`, `{"1":1,"0":2}`: "{\n  \"1\": 1,\n  \"0\": 2\n}",
		`no JSON, 1`: `no JSON, 1`, `{"a":1`: `{"a":1`, ``: ``,
	} {
		quoted, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := b.text(fmt.Sprintf(`pretty(%s).shown`, quoted)); got != want {
			t.Errorf("%s is shown as %s", text, got)
		}
	}
}
