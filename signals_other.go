//go:build !unix

package ekiben

import (
	"os"
	"syscall"
)

// requests are the signals that ask a running app for something.
var requests = []os.Signal{syscall.SIGHUP}
