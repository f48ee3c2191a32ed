package main

import (
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"iter"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/ekiben-serving/ekiben/internal/check"
)

// served are the APIs of the recording that the twin has.
var served = []string{
	"/words", "/words_sync", "/objects", "/numbers", "/events", "/size", "/typed", "/many", "/picture", "/shrink", "/download", "/raw", "/root", "/blob", "/model_root", "/teapot", "/nothing", "/app/hello", "/app/nope",
	"/slowly", "/slowly/submit", "/slowly/status", "/slowly/get", "/slowly/retry", "/slowly/cancel",
}

// TestRecordedKinds sends the requests of the recording as raw bytes, and compares the
// whole response, chunk by chunk. A stream that fails in its middle differs, and so do
// files that are refused and cancel, as docs/compatibility.md says.
func TestRecordedKinds(t *testing.T) {
	address := strings.TrimPrefix(host(t, flags{App: "kinds", Set: []string{"tasks.path=" + filepath.Join(t.TempDir(), "tasks.db")}}), "http://")
	defer slowlyFor.Store(0)
	compared, task := 0, ""
	for exchange := range strings.SplitSeq(strings.TrimPrefix(file(t, "kinds.wire.txt"), "=== "), "\n=== ") {
		head, want, _ := strings.Cut(exchange, "\n")
		m := recordedKind.FindStringSubmatch(head)
		if m == nil {
			continue
		}
		path, _, _ := strings.Cut(m[3], "?")
		if !slices.Contains(served, path) {
			continue
		}
		compared++
		t.Run(m[1], func(t *testing.T) {
			m[3] = strings.ReplaceAll(m[3], "=ID", "="+task)
			if slowlyFor.Store(0); path != "/slowly" {
				slowlyFor.Store(int64(3 * time.Second)) // a test that stalls must still find the task in progress
			}
			if m[1] == "task status later" || m[1] == "failed task status" {
				awaitTask(t, address, task)
			}
			request := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n", m[2], m[3], len(unquoted(t, m[5])))
			for _, header := range pythonItem.FindAllStringSubmatch(m[4], -1) {
				request += header[1] + ": " + header[2] + "\r\n"
			}
			response := roundTrip(t, address, request+"\r\n"+unquoted(t, m[5]))
			if id := taskID.FindString(response); path == "/slowly/submit" && id != "" {
				task = id
			}
			if path != "/slowly" && strings.HasPrefix(path, "/slowly") {
				response = timeOfTask.ReplaceAllString(taskID.ReplaceAllString(response, "ID"), "TIME")
			}
			got := normal(response)
			want := normal(unescaped(link.ReplaceAllString(want, "")))
			switch m[1] {
			case "stream that fails in its middle":
				want = strings.TrimSuffix(want, "\n0")
			case "task cancelled": // it has ended
				want = strings.Replace(want, "400 bad request", "409 conflict", 1)
				want = strings.Replace(want, "task cancellation is not supported in local development server", "task ID has ended: it is completed", 1)
			case "image out": // of one colour
				want = strings.Replace(want, "unreadable", "(0,0)-(2,2)"+strings.Repeat("{200 30 30 255}", 4), 1)
			case "file as a field", "image that is none":
				if !strings.Contains(got, "http/1.1 400 ") || !strings.Contains(got, `"error":"1 validation error for Input"`) {
					t.Errorf("got\n%s\n\nwant a 400", got)
				}
				return
			}
			if got != want {
				t.Errorf("got\n%s\n\nwant\n%s", got, want)
			}
		})
	}
	if compared < 48 {
		t.Errorf("compared %d requests", compared)
	}
}

// TestRecordedKindsSchema compares what /schema.json says of each kind.
func TestRecordedKindsSchema(t *testing.T) {
	url := host(t, flags{App: "kinds"})
	_, _, content := send(t, http.MethodGet, url+"/schema.json", "", nil)
	var got, want map[string]any
	check.Must(t, json.Unmarshal([]byte(content), &got), json.Unmarshal([]byte(file(t, "kinds.schema.json")), &want))
	routes := byName(got)["routes"].(map[string]any)
	for name, recorded := range byName(want)["routes"].(map[string]any) {
		if !slices.Contains(served, "/"+name) || name == "nothing" { // a nil pointer in Go, which could be an object
			continue
		}
		if route := routes[name]; !reflect.DeepEqual(route, recorded) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, asJSON(route), asJSON(recorded))
		}
	}
}

// TestRecordedSocket sends the recorded messages of the socket, and compares the answers,
// and then the series of the mount.
func TestRecordedSocket(t *testing.T) {
	url := host(t, flags{App: "kinds"})
	drive(t, url, []request{{"hello", "/app/hello", ""}, {"nope", "/app/nope", ""}})
	conn, _, err := websocket.Dial(t.Context(), url+"/app/ws", nil)
	check.Must(t, err)
	defer conn.CloseNow()
	got := ""
	for _, text := range []string{"one", "two", "bye"} {
		check.Must(t, conn.Write(t.Context(), websocket.MessageText, []byte(text)))
		_, answer, err := conn.Read(t.Context())
		if err == nil {
			got += fmt.Sprintf("=== websocket: sent '%s', got '%s'\n\n", text, answer)
		} else if code := websocket.CloseStatus(err); code != -1 {
			got += fmt.Sprintf("=== websocket: closed received %d (OK); then sent %d (OK)\n", code, code)
		}
	}
	if !strings.Contains(file(t, "kinds.wire.txt"), got) || strings.Count(got, "\n") != 5 {
		t.Errorf("got\n%s", got)
	}
	mounted := func(text string) exposition {
		p := parse(t, text)
		maps.DeleteFunc(p.meta, func(key, _ string) bool { return !strings.Contains(key, "_websocket_") })
		maps.DeleteFunc(p.series, func(key, _ string) bool { return !strings.Contains(key, `endpoint="/app/`) })
		return p
	}
	want := mounted(file(t, "kinds.metrics.txt"))
	maps.DeleteFunc(want.series, func(key, _ string) bool { return strings.Contains(key, `"/app/nope"`) }) // unmatched
	if len(want.meta) != 6 || len(want.series) < 20 {
		t.Errorf("the recording has %d and %d", len(want.meta), len(want.series))
	}
	for late := time.Now().Add(time.Minute); ; { // the client knows of the end before it is counted
		found := differences(want, mounted(scrape(t, url)))
		if len(found) == 0 {
			return
		}
		if time.Now().After(late) {
			t.Fatal(strings.Join(found, "\n"))
		}
	}
}

func asJSON(value any) string {
	text, _ := json.Marshal(value)
	return string(text)
}

var (
	recordedKind = regexp.MustCompile(`^(.*): (GET|POST|PUT) (\S+) (\{.*\}) ('.*')$`)
	pythonItem   = regexp.MustCompile(`'([^']*)': '([^']*)'`)
	taskID       = regexp.MustCompile(`[0-9a-f]{32}`)
	timeOfTask   = regexp.MustCompile(`20\d\d-\d\d-\d\dT[0-9:.]+`)
	variable     = regexp.MustCompile(`(?im)^(date|x-bentoml-request-id|content-length|etag|last-modified): .*\n`)
)

// awaitTask waits until a task has ended.
func awaitTask(t *testing.T, address, id string) {
	t.Helper()
	for {
		response := roundTrip(t, address, "GET /slowly/status?task_id="+id+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		if !strings.Contains(response, "in_progress") {
			return
		}
	}
}

// unquoted returns the bytes of a string that Python's repr wrote.
func unquoted(t *testing.T, quoted string) string {
	t.Helper()
	text := strings.NewReplacer(`\'`, `'`, `"`, `\"`).Replace(strings.Trim(quoted, "'"))
	text, err := strconv.Unquote(`"` + text + `"`)
	if err != nil {
		t.Fatal(quoted, err)
	}
	return unescaped(text)
}

// unescaped returns the bytes that the recording has as \xNN.
func unescaped(text string) string {
	return escaped.ReplaceAllStringFunc(text, func(hex string) string {
		b, _ := strconv.ParseUint(hex[2:], 16, 8)
		return string([]byte{byte(b)})
	})
}

var escaped = regexp.MustCompile(`\\x[0-9a-f]{2}`)

// normal returns a response with sorted headers, without those that differ each time. An
// image is its size and pixels, and JSON has one form.
func normal(response string) string {
	head, body, _ := strings.Cut(response, "\n\n")
	if before, after, ok := strings.Cut(response, "\r\n\r\n"); ok {
		head, body = strings.ReplaceAll(before, "\r", ""), after
	}
	lines := strings.Split(strings.ToLower(variable.ReplaceAllString(head+"\n", "")), "\n")
	slices.Sort(lines)
	var value any
	switch kind := contentType.FindString(head); {
	case strings.Contains(kind, "image/"):
		m, err := png.Decode(strings.NewReader(body))
		if err != nil {
			body = "unreadable" // the recording has no carriage returns
			break
		}
		body = fmt.Sprint(m.Bounds())
		for at := range pixels(m.Bounds()) {
			body += fmt.Sprint(color.NRGBAModel.Convert(m.At(at.X, at.Y)))
		}
	case strings.Contains(kind, "json") && json.Unmarshal([]byte(body), &value) == nil:
		same, _ := json.Marshal(value)
		body = string(same)
	}
	return strings.Join(lines, "\n") + "\n\n" + strings.TrimRight(strings.ReplaceAll(body, "\r", ""), "\n")
}

var contentType = regexp.MustCompile(`(?im)^content-type: .*$`)

func pixels(r image.Rectangle) iter.Seq[image.Point] {
	return func(yield func(image.Point) bool) {
		for i := range r.Dx() * r.Dy() {
			if !yield(r.Min.Add(image.Pt(i%r.Dx(), i/r.Dx()))) {
				return
			}
		}
	}
}

func roundTrip(t *testing.T, address, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	response, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(response)
}
