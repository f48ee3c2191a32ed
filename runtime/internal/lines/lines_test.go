package lines_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekiben-serving/ekiben/internal/check"
	"github.com/ekiben-serving/ekiben/runtime/internal/lines"
)

// stalled is a writer whose reader stops until it is released, or whose writes fail.
type stalled struct {
	mu   sync.Mutex
	open chan struct{}
	fail error
	got  bytes.Buffer
}

func (s *stalled) Write(p []byte) (int, error) {
	<-s.open
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		half := bytes.IndexByte(p, '\n') + 1
		s.got.Write(p[:half])
		return half, s.fail
	}
	return s.got.Write(p)
}

func (s *stalled) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got.String()
}

// A reader that stops costs lines, never time. When it reads again, it gets whole lines in
// their order, and the number of those that are missing.
func TestStoppedReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &stalled{open: make(chan struct{})}
		var w *lines.Writer
		w = lines.New(to, func(n int64) { fmt.Fprintf(w, "dropped %d\n", n) })
		line := strings.Repeat("x", 1023) + "\n"
		w.Write([]byte(line))
		synctest.Wait() // the goroutine has taken it, and waits for the reader
		const waiting = lines.Most / 1024
		for range 3 * waiting {
			if n, err := w.Write([]byte(line)); n != len(line) || err != nil {
				t.Fatal(n, err)
			}
		}
		start := time.Now()
		w.Flush(time.Second)
		check.Equal(t, time.Since(start), time.Second)
		check.Equal(t, w.Dropped(), 2*waiting)
		close(to.open)
		w.Flush(time.Second)
		want := strings.Repeat(line, 1+waiting) + fmt.Sprintf("dropped %d\n", 2*waiting)
		if got := to.text(); got != want {
			t.Errorf("read %d bytes, %q at the end; want %d, %q", len(got), got[max(0, len(got)-20):], len(want), want[len(want)-20:])
		}
		w.Write([]byte("next\n"))
		w.Flush(time.Second)
		check.Equal(t, strings.Count(to.text(), "dropped"), 1)
	})
}

// Lines that cannot be written are counted, and told when a write succeeds again.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &stalled{open: make(chan struct{}), fail: errors.New("no space left")}
		var w *lines.Writer
		w = lines.New(to, func(n int64) { fmt.Fprintf(w, "dropped %d\n", n) })
		io.WriteString(w, "a\n")
		synctest.Wait() // the goroutine has taken it
		io.WriteString(w, "b\n")
		io.WriteString(w, "c\n")
		close(to.open)
		w.Flush(time.Second)
		check.Equal(t, w.Dropped(), 1) // of b and c, the write took one
		to.fail = nil
		for range 2 {
			io.WriteString(w, "d\n")
			w.Flush(time.Second)
		}
		check.Equal(t, to.text(), "a\nb\nd\nd\ndropped 1\n")
	})
}

// A line must not change after Write has returned, because handlers use their buffer again.
func TestCopied(t *testing.T) {
	to := &stalled{open: make(chan struct{})}
	w := lines.New(to, nil)
	line := []byte("one\n")
	w.Write(line)
	copy(line, "two\n")
	close(to.open)
	w.Flush(time.Minute)
	check.Equal(t, to.text(), "one\n")
}
