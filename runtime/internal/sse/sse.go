// Package sse writes server-sent events, as the HTML standard defines
// text/event-stream.
package sse

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Event is the fields of an event beside its data. An empty field is not sent.
type Event struct {
	ID    string        // the client sends it as Last-Event-ID when it connects again
	Name  string        // the type of the event
	Retry time.Duration // how long the client waits before it connects again
}

// Check returns an error if a field cannot be written: a line break would begin
// another field, and clients ignore an id with a NUL.
func (e Event) Check() error {
	for _, one := range []struct{ what, value, not string }{{"id", e.ID, "\r\n\x00"}, {"name", e.Name, "\r\n\x00"}} {
		if strings.ContainsAny(one.value, one.not) {
			return fmt.Errorf("the %s of an event must not contain a line break or NUL, found %q", one.what, one.value)
		}
	}
	if e.Retry != 0 && e.Retry < time.Millisecond {
		return fmt.Errorf("the retry of an event must be 0 or at least 1ms, such as 5*time.Second, found %s", e.Retry)
	}
	return nil
}

// Write writes an event to buf. Each line of data becomes a field of its own, and the
// client joins them with "\n". e must have passed Check.
func Write(buf *bytes.Buffer, e Event, data []byte) {
	field(buf, "id", e.ID)
	field(buf, "event", e.Name)
	if e.Retry > 0 {
		field(buf, "retry", strconv.FormatInt(e.Retry.Milliseconds(), 10))
	}
	for {
		end := bytes.IndexAny(data, "\r\n")
		line := data
		if end >= 0 {
			line = data[:end]
		}
		buf.WriteString("data: ")
		buf.Write(line)
		buf.WriteByte('\n')
		if end < 0 {
			break
		}
		if bytes.HasPrefix(data[end:], []byte("\r\n")) {
			end++
		}
		data = data[end+1:]
	}
	buf.WriteByte('\n')
}

func field(buf *bytes.Buffer, name, value string) {
	if value != "" {
		buf.WriteString(name + ": " + value + "\n")
	}
}

// Heartbeat is a comment, which clients ignore. It keeps proxies from closing an idle
// connection.
const Heartbeat = ":\n\n"
