//go:build !linux || !amd64

package main

import "errors"

// setClock is for Linux on amd64 only.
func setClock(int, int64) error { return errors.ErrUnsupported }
