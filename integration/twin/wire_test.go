package main

import (
	"encoding/json"
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
)

// TestRecordedWire sends each recorded request. The response must have the recorded
// status, headers and content. JSON is compared as values, without pydantic's links.
func TestRecordedWire(t *testing.T) {
	url := host(t, flags{EncodeMaxBatch: 32, ScoreMaxBatch: 8})
	for exchange := range strings.SplitSeq(strings.TrimPrefix(file(t, "wire.txt"), "=== "), "\n=== ") {
		args, response, _ := strings.Cut(exchange, "\n")
		head, body, _ := strings.Cut(response, "\n\n")
		t.Run(args, func(t *testing.T) {
			want := parseHead(head)
			method, path, sent, header := parseCurl(t, args)
			status, got, content := send(t, method, url+path, sent, header)
			if wanted := strings.Fields(want[""])[1]; !strings.HasPrefix(http.StatusText(status), strings.Join(strings.Fields(want[""])[2:], " ")) {
				t.Errorf("status %d, want %s", status, wanted)
			}
			for _, name := range []string{"content-type", "allow", "server"} {
				if got.Get(name) != want[name] {
					t.Errorf("%s: got %q, want %q", name, got.Get(name), want[name])
				}
			}
			if method != http.MethodHead && !sameContent(content, strings.TrimSuffix(body, "\n")) {
				t.Errorf("got %q\nwant %q", content, body)
			}
		})
	}
}

func parseHead(head string) map[string]string {
	fields := map[string]string{}
	for i, line := range strings.Split(head, "\n") {
		name, value, _ := strings.Cut(line, ": ")
		if i == 0 {
			name, value = "", line
		}
		fields[name] = value
	}
	return fields
}

var curl = regexp.MustCompile(`^(-XPOST |-I )?localhost:\d+(\S*)(?: -H content-type: (\S+))?(?: -d (.*))?$`)

// parseCurl reads the recorded arguments of curl, which have no quotes.
func parseCurl(t *testing.T, args string) (method, path, body string, header http.Header) {
	t.Helper()
	m := curl.FindStringSubmatch(args)
	if m == nil {
		t.Fatalf("cannot parse %q", args)
	}
	method = map[string]string{"": "GET", "-XPOST ": "POST", "-I ": "HEAD"}[m[1]]
	header = http.Header{}
	if m[3] != "" {
		header.Set("Content-Type", m[3])
	}
	return method, m[2], m[4], header
}

var link = regexp.MustCompile(`,"url":"[^"]*"`)

func sameContent(got, want string) bool {
	var a, b any
	if json.Unmarshal([]byte(got), &a) == nil && json.Unmarshal([]byte(link.ReplaceAllString(want, "")), &b) == nil {
		return reflect.DeepEqual(a, b)
	}
	return strings.TrimSuffix(got, "\n") == strings.TrimSuffix(want, "\n")
}

// TestRecordedSchema compares /schema.json, from which BentoML's client builds its
// methods.
func TestRecordedSchema(t *testing.T) {
	url := host(t, flags{EncodeMaxBatch: 32, ScoreMaxBatch: 8})
	_, _, content := send(t, http.MethodGet, url+"/schema.json", "", nil)
	var got, want map[string]any
	check.Must(t, json.Unmarshal([]byte(content), &got))
	check.Must(t, json.Unmarshal([]byte(file(t, "schema.json")), &want))
	if !reflect.DeepEqual(byName(got), byName(want)) {
		t.Errorf("got\n%s\nwant\n%s", content, file(t, "schema.json"))
	}
}

// byName turns the list of routes into a map, because their order may differ.
func byName(schema map[string]any) map[string]any {
	routes := map[string]any{}
	for _, route := range schema["routes"].([]any) {
		routes[route.(map[string]any)["name"].(string)] = route
	}
	schema["routes"] = routes
	return schema
}
