package minilm

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// MaxTokens is the length at which a text is cut, with the two tokens around it. Tokens behind
// it have no effect on an embedding, as in sentence-transformers.
const MaxTokens = 256

// The vocabulary's tokens that are no part of a text.
const (
	vocabulary = 30522
	longest    = 100 // characters of a word; a longer one is unknown
	unknown    = "[UNK]"
	first      = "[CLS]"
	last       = "[SEP]"
)

// Tokenizer divides texts into the tokens of BERT's uncased vocabulary. It is safe for
// concurrent use.
type Tokenizer struct {
	ids map[string]int32
}

// NewTokenizer reads a vocabulary, which has a token in each line.
func NewTokenizer(vocab io.Reader) (*Tokenizer, error) {
	t := &Tokenizer{ids: make(map[string]int32, vocabulary)}
	lines := bufio.NewScanner(vocab)
	for lines.Scan() {
		t.ids[lines.Text()] = int32(len(t.ids))
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	for _, needed := range append(special, "the") {
		if _, ok := t.ids[needed]; !ok || len(t.ids) != vocabulary {
			return nil, fmt.Errorf("must be BERT's uncased vocabulary of %d tokens, found %d", vocabulary, len(t.ids))
		}
	}
	return t, nil
}

// special tokens stand for themselves in a text.
var special = []string{"[PAD]", unknown, first, last, "[MASK]"}

// Encode returns the tokens of a text, at most [MaxTokens].
func (t *Tokenizer) Encode(text string) []int32 {
	ids := []int32{t.ids[first]}
	for text != "" && len(ids) < MaxTokens {
		before, found, after := cutSpecial(text)
		ids = t.plain(ids, before)
		if found != "" {
			ids = append(ids, t.ids[found])
		}
		text = after
	}
	return append(ids[:min(len(ids), MaxTokens-1)], t.ids[last])
}

// cutSpecial divides a text at its first special token.
func cutSpecial(text string) (before, found, after string) {
	at := len(text)
	for _, one := range special {
		if i := strings.Index(text[:min(len(text), at+len(one)-1)], one); i >= 0 && i < at {
			at, found = i, one
		}
	}
	return text[:at], found, text[at+len(found):]
}

// plain adds the tokens of a text without special ones.
func (t *Tokenizer) plain(ids []int32, text string) []int32 {
	for word := range strings.FieldsFuncSeq(normalize(text), unicode.IsSpace) {
		for word != "" && len(ids) < MaxTokens {
			end := strings.IndexFunc(word, punctuation)
			switch end {
			case -1:
				end = len(word)
			case 0:
				_, end = utf8.DecodeRuneInString(word)
			}
			ids = t.pieces(ids, word[:end])
			word = word[end:]
		}
	}
	return ids
}

// pieces adds the tokens of a word: the longest that it begins with, and so on. A word without
// such tokens is unknown as a whole.
func (t *Tokenizer) pieces(ids []int32, word string) []int32 {
	if utf8.RuneCountInString(word) > longest {
		return append(ids, t.ids[unknown])
	}
	before, prefix := len(ids), ""
	for word != "" {
		end := len(word)
		for ; end > 0; _, end = lastRune(word, end) {
			if id, ok := t.ids[prefix+word[:end]]; ok {
				ids = append(ids, id)
				break
			}
		}
		if end == 0 {
			return append(ids[:before], t.ids[unknown])
		}
		word, prefix = word[end:], "##"
	}
	return ids
}

// lastRune returns the last character before end, and where it begins.
func lastRune(word string, end int) (rune, int) {
	r, size := utf8.DecodeLastRuneInString(word[:end])
	return r, end - size
}

// normalize removes control characters and accents, makes letters small, and puts spaces around
// ideographs.
func normalize(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == utf8.RuneError || removed(r):
		case unicode.IsSpace(r):
			b.WriteByte(' ')
		case ideograph(r):
			b.WriteByte(' ')
			b.WriteRune(r)
			b.WriteByte(' ')
		default:
			b.WriteRune(r)
		}
	}
	plain := strings.Map(func(r rune) rune {
		if accent(r) {
			return -1
		}
		return r
	}, norm.NFD.String(b.String()))
	return strings.ToLower(plain)
}

// ideograph reports whether a word may end before and after r: the Chinese characters of BERT's
// tokenizer, which are not those of Japanese or Korean syllables.
func ideograph(r rune) bool {
	switch {
	case r >= 0x4E00 && r <= 0x9FFF, r >= 0x3400 && r <= 0x4DBF, r >= 0x20000 && r <= 0x2A6DF,
		r >= 0x2A700 && r <= 0x2B73F, r >= 0x2B740 && r <= 0x2B81F, r >= 0x2B920 && r <= 0x2CEAF,
		r >= 0xF900 && r <= 0xFAFF, r >= 0x2F800 && r <= 0x2FA1F:
		return true
	}
	return false
}
