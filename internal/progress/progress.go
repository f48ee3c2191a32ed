// Package progress says how far a long command is: on a terminal by one line
// that changes, and in a pipe by a line for each step.
package progress

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// Line is where progress is shown.
type Line struct {
	to       io.Writer
	terminal bool
	total    int
	done     int
}

// New shows progress on a file, of so many steps. 0: nobody knows how many.
func New(to *os.File, total int) *Line {
	return &Line{to: to, terminal: term.IsTerminal(int(to.Fd())), total: total}
}

// Stepf says what begins.
func (l *Line) Stepf(format string, args ...any) {
	l.done++
	text := fmt.Sprintf(format, args...)
	count := fmt.Sprint(l.done)
	if l.total > 0 {
		count = fmt.Sprintf("%d of %d", l.done, l.total)
	}
	if l.terminal {
		_, _ = fmt.Fprintf(l.to, "\r\x1b[K%s: %s", count, text)
		return
	}
	_, _ = fmt.Fprintf(l.to, "%s: %s\n", count, text)
}

// End leaves the line.
func (l *Line) End() {
	if l.terminal {
		_, _ = fmt.Fprint(l.to, "\r\x1b[K")
	}
}
