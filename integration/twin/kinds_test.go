package main

import (
	"fmt"
	"io"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// served are the APIs of the recording that the twin has.
var served = []string{"/words", "/words_sync", "/objects", "/numbers", "/events", "/raw", "/root", "/nothing",
	"/slowly", "/slowly/submit", "/slowly/status", "/slowly/get", "/slowly/retry", "/slowly/cancel"}

// TestRecordedKinds sends the requests of the recording as raw bytes, and compares the
// whole response, chunk by chunk. A stream that fails in its middle differs, and so does
// cancel, as docs/compatibility.md says.
func TestRecordedKinds(t *testing.T) {
	address := strings.TrimPrefix(host(t, flags{App: "kinds", Set: []string{"tasks.path=" + filepath.Join(t.TempDir(), "tasks.db")}}), "http://")
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
			got := normal(timeOfTask.ReplaceAllString(taskID.ReplaceAllString(response, "ID"), "TIME"))
			want := normal(link.ReplaceAllString(want, ""))
			if m[1] == "stream that fails in its middle" {
				want = strings.TrimSuffix(want, "\n0")
			}
			if m[1] == "task cancelled" { // it has ended
				want = strings.Replace(want, "400 bad request", "409 conflict", 1)
				want = normal(strings.Replace(want, "task cancellation is not supported in local development server", "task ID has ended: it is completed", 1))
			}
			if got != want {
				t.Errorf("got\n%s\n\nwant\n%s", got, want)
			}
		})
	}
	if compared < 27 {
		t.Errorf("compared %d requests", compared)
	}
}

var (
	recordedKind = regexp.MustCompile(`^(.*): (GET|POST|PUT) (\S+) (\{.*\}) ('.*')$`)
	pythonItem   = regexp.MustCompile(`'([^']*)': '([^']*)'`)
	taskID       = regexp.MustCompile(`[0-9a-f]{32}`)
	timeOfTask   = regexp.MustCompile(`20\d\d-\d\d-\d\dT[0-9:.]+`)
	variable     = regexp.MustCompile(`(?im)^(date|x-bentoml-request-id|content-length): .*\n`)
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
	text, err := strconv.Unquote(`"` + strings.ReplaceAll(strings.Trim(quoted, "'"), `"`, `\"`) + `"`)
	if err != nil {
		t.Fatal(quoted, err)
	}
	return text
}

// normal returns a response with sorted headers, without those that differ each time.
func normal(response string) string {
	response = variable.ReplaceAllString(strings.ReplaceAll(response, "\r", ""), "")
	head, body, _ := strings.Cut(response, "\n\n")
	lines := strings.Split(strings.ToLower(head), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n") + "\n\n" + strings.TrimRight(body, "\n")
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
