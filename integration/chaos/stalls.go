package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// A machine that other programs load may not run the server for a while. Then a timeout and the
// function that it should have ended are due at the same moment, and the function may win. The
// server says when it did not run: only then may a request get such a status.

// stall is a time in which the server did not run, on the clock of [monotonic].
type stall struct {
	From int64 `json:"from"`
	To   int64 `json:"to"`
}

// stallAfter is how late a timer of the server is at least in a stall. The slow functions take
// longer than their timeout by more.
const stallAfter = 250 * time.Millisecond

// tellStalls writes a line for each stall of this process, until it ends.
func tellStalls(to io.Writer) {
	const tick = 10 * time.Millisecond
	for last := monotonic(); ; {
		time.Sleep(tick)
		now := monotonic()
		if now-last > int64(tick+stallAfter) {
			line, _ := json.Marshal(stall{last, now}) // two numbers
			_, _ = fmt.Fprintf(to, "%s%s\n", stallMark, line)
		}
		last = now
	}
}

// stallMark begins the line of a stall.
const stallMark = "stalled "

// suspect is a request whose status only a stall explains.
type suspect struct {
	nonce uint64
	entry *entry
	text  string
}

// stalled records a stall of the server.
func (l *ledger) stalled(one stall) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stalls = append(l.stalls, one)
}

// acquit explains the suspects that were open in a stall. The others are problems. The caller holds
// the mutex.
func (l *ledger) acquit() {
	for _, one := range l.suspects {
		explained := false
		for _, stall := range l.stalls {
			explained = explained || one.entry.opened <= stall.To && one.entry.ended >= stall.From
		}
		if explained {
			l.delayed++
			continue
		}
		l.problem("unexplained", one.nonce, one.entry, one.text)
	}
	l.suspects = nil
}
