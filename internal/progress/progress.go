// Package progress shows the progress of a long command, and estimates the time that
// is left. On a terminal it updates one line; in a pipe it writes a line per step.
package progress

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// Line shows progress on a file.
type Line struct {
	to       io.Writer
	terminal bool
	total    int
	begun    int
	now      func() time.Time
	start    time.Time
}

// New returns a Line for a command with total steps, which it counts from start to
// end. 0 means that the number of steps is unknown.
func New(to *os.File, total int) *Line {
	return newLine(to, term.IsTerminal(int(to.Fd())), total, time.Now)
}

func newLine(to io.Writer, terminal bool, total int, now func() time.Time) *Line {
	return &Line{to: to, terminal: terminal, total: total, now: now, start: now()}
}

// Stepf shows that a step begins.
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

// left returns the estimated time of this step and those after it, from the average
// of those before.
func (l *Line) left() string {
	ended := l.begun - 1
	if ended == 0 || ended >= l.total {
		return ""
	}
	each := l.now().Sub(l.start) / time.Duration(ended)
	return fmt.Sprintf(", about %s left", (each * time.Duration(l.total-ended)).Round(time.Second))
}

// End clears the line on a terminal, so that other output can follow. Further steps
// may follow too.
func (l *Line) End() {
	if l.terminal {
		_, _ = fmt.Fprint(l.to, "\r\x1b[K")
	}
}
