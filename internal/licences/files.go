package licences

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"github.com/google/licensecheck"
)

// readByHand has the licences in files that no program recognizes, by the SHA-256 of
// the file: somebody must read a file again after a change.
var readByHand = map[string][]string{
	"8438c9c89b849131ead81d5435cb97fcf052df5b0b286dda8a2d4c29e6cb3fd0": {"blessing"}, // LICENSE-SQLITE of modernc.org/sqlite: public domain
	"5ae5bee3072a841376451b48d8cfcec7188e10543926d5870828d36c8a750dc5": nil,          // LICENSE-LOGO of modernc.org/memory: the address of a picture
}

var (
	// named is the name of a file that holds a licence.
	named = regexp.MustCompile(`(?i)^(un)?licen[cs]e|^copying`)
	// notices is the name of a list of licences, with as much prose as it likes.
	notices = regexp.MustCompile(`(?i)3rd-party`)
)

// recognized is the share of a file, in percent, that must be the text of licences.
// The rest is a heading and the owners.
const recognized = 75

// ofFolder returns the licences in the files of a folder.
func ofFolder(folder string) (ids []string, err error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, entry := range entries {
		name := entry.Name()
		if entry.IsDir() || !named.MatchString(name) || filepath.Ext(name) == ".go" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return nil, err
		}
		found, percent := ofText(text)
		if percent < recognized && !notices.MatchString(name) {
			errs = append(errs, fmt.Errorf("%s: must be the text of known licences, found that %.0f%% of it is", name, percent))
		}
		ids = append(ids, found...)
	}
	return ids, errors.Join(errs...)
}

// ofText returns the licences in a file, and the percentage of it that they are.
func ofText(text []byte) (ids []string, percent float64) {
	sum := sha256.Sum256(text)
	if ids, ok := readByHand[hex.EncodeToString(sum[:])]; ok {
		return ids, 100
	}
	found := licensecheck.Scan(text)
	for _, m := range found.Match {
		ids = append(ids, m.ID)
	}
	return ids, found.Percent
}
