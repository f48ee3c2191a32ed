//go:build !unix

package lines

import (
	"io"
	"os"
)

// Stderr returns standard error.
func Stderr() io.Writer { return os.Stderr }
