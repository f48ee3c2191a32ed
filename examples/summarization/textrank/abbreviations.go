package textrank

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// abbreviations lists abbreviations that a capital letter often follows within a
// sentence, where UAX #29 has a boundary. They are a choice from CLDR's English sentence
// break suppressions (https://cldr.unicode.org, segments/en.xml). Those that end a
// sentence as often ("etc.", "a.m.", "U.S.", "Inc.") are left out, because two
// sentences taken as one make a worse summary than one cut in two.
var abbreviations = map[string]struct{}{
	"adm": {}, "approx": {}, "brig": {}, "capt": {}, "cf": {}, "cmdr": {},
	"col": {}, "cpl": {}, "dr": {}, "e.g": {}, "fig": {}, "fr": {}, "gen": {},
	"gov": {}, "hon": {}, "i.e": {}, "lt": {}, "maj": {}, "messrs": {},
	"mr": {}, "mrs": {}, "ms": {}, "mt": {}, "pres": {}, "prof": {}, "rep": {},
	"rev": {}, "sen": {}, "sgt": {}, "st": {}, "viz": {}, "vs": {},
}

// endsInAbbreviation reports whether a segment ends in an abbreviation or an initial,
// as in "John F. Kennedy", so that its full stop does not end the sentence. "I" is no
// initial: "So did I."
func endsInAbbreviation(segment string) bool {
	body, ok := strings.CutSuffix(segment, ". ")
	if !ok {
		return false
	}
	last := body[strings.LastIndexByte(body, ' ')+1:]
	last = strings.TrimLeftFunc(last, func(r rune) bool { return !unicode.IsLetter(r) })
	if r, size := utf8.DecodeRuneInString(last); size > 0 && size == len(last) {
		return unicode.IsUpper(r) && r != 'I'
	}
	_, ok = abbreviations[strings.ToLower(last)]
	return ok
}
