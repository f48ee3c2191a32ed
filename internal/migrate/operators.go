package migrate

import (
	"slices"
	"strings"
)

// operates reports whether the variable here is between two operands.
func (r *replacer) operates(before, after string) bool {
	left, right := strings.TrimRight(before, " \t\r\n"), strings.TrimSpace(after)
	if left == "" || right == "" || !strings.ContainsRune("({$[.-+", rune(right[0])) && !isWord(rune(right[0])) {
		return false
	}
	switch {
	case strings.ContainsRune(")}]", rune(left[len(left)-1])):
		return len(left) != r.matching // an operand follows on (…)
	case left == before: // the variable is a part of a word
		return false
	}
	word := lastWord(before)
	return word != "" && !slices.Contains([]string{
		"by", "without", "on", "ignoring", "group_left", "group_right", "bool", "offset", "and", "or", "unless", "atan2", operator,
	}, strings.ToLower(word)) && !slices.Contains([]string{"and", "or", "unless", "atan2"}, strings.ToLower(firstWord(after)))
}

// lastWord returns the word at the end of text, "" if there is none. Spaces after
// it do not count.
func lastWord(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexFunc(text, func(c rune) bool { return !isWord(c) })+1:]
}

func firstWord(text string) string {
	text = strings.TrimSpace(text)
	if end := strings.IndexFunc(text, func(c rune) bool { return !isWord(c) }); end >= 0 {
		return text[:end]
	}
	return text
}

// endsWith reports whether the last character of text that is no space is one of
// some characters.
func endsWith(text, characters string) bool {
	text = strings.TrimSpace(text)
	return text != "" && strings.IndexByte(characters, text[len(text)-1]) >= 0
}
