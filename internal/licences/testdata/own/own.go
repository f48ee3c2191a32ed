// Package own is empty.
package own
