// Package progress says how far a long command is, and about how long it still
// takes: on a terminal by one line that changes, and in a pipe by a line for
// each step.
package progress

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// Line is where progress is shown.
type Line struct {
	to       io.Writer
	terminal bool
	total    int
	begun    int
	now      func() time.Time
	start    time.Time
}

// New shows progress on a file, of so many steps: all of the command's, for one
// line goes with it from start to end. 0: nobody knows how many.
func New(to *os.File, total int) *Line {
	return newLine(to, term.IsTerminal(int(to.Fd())), total, time.Now)
}

func newLine(to io.Writer, terminal bool, total int, now func() time.Time) *Line {
	return &Line{to: to, terminal: terminal, total: total, now: now, start: now()}
}

// Stepf says what begins.
func (l *Line) Stepf(format string, args ...any) {
	l.begun++
	text := fmt.Sprintf(format, args...)
	count := fmt.Sprint(l.begun)
	if l.total > 0 {
		count = fmt.Sprintf("%d of %d", l.begun, l.total) + l.left()
	}
	if l.terminal {
		_, _ = fmt.Fprintf(l.to, "\r\x1b[K%s: %s", count, text)
		return
	}
	_, _ = fmt.Fprintf(l.to, "%s: %s\n", count, text)
}

// left is how long the steps from this one on take if they are as those before.
func (l *Line) left() string {
	ended := l.begun - 1
	if ended == 0 || ended >= l.total {
		return ""
	}
	each := l.now().Sub(l.start) / time.Duration(ended)
	return fmt.Sprintf(", about %s left", (each * time.Duration(l.total-ended)).Round(time.Second))
}

// End clears the line of a terminal, for what is printed there. Further steps
// may follow.
func (l *Line) End() {
	if l.terminal {
		_, _ = fmt.Fprint(l.to, "\r\x1b[K")
	}
}
