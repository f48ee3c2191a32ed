// Package silent is empty.
package silent
