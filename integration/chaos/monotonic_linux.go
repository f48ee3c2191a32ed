package main

import "golang.org/x/sys/unix"

// monotonic returns nanoseconds of a clock that all processes of the machine share.
func monotonic() int64 {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) != nil {
		return 0 // it has no stalls then
	}
	return now.Nano()
}
