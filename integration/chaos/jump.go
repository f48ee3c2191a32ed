package main

import (
	"errors"
	"fmt"
	"time"
)

// jumpClock lets the wall clock of the server jump by hours and back.
func (s *session) jumpClock(end chan struct{}) error {
	for _, seconds := range []int64{3600, -3600, 86400 * 365, -86400 * 365 * 30, 1, -1} {
		err := setClock(s.now.cmd.Process.Pid, seconds)
		if errors.Is(err, errors.ErrUnsupported) {
			s.figures.unsupported = append(s.figures.unsupported, "clock jumps")
			return nil
		}
		if err != nil {
			return err
		}
		s.figures.jumps++
		if v, err := s.now.vitals(); err == nil && abs(v.Now-time.Now().Unix()-seconds) > 60 {
			return fmt.Errorf("the clock of the server is at %d, want %d more than %d", v.Now, seconds, time.Now().Unix())
		}
		if !within(end, 150*time.Millisecond) {
			break
		}
	}
	return setClock(s.now.cmd.Process.Pid, 0)
}

func abs(n int64) int64 { return max(n, -n) }
