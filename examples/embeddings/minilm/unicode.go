package minilm

import (
	"strconv"
	"strings"
	"unicode"
)

// The tokenizer of the reference has tables of an older version of Unicode than Go. It does not
// know that the characters of kept are accents or control characters, and that those of joined
// are punctuation. TestCharacters compares all characters with it.
var (
	kept = table(`7fd 890-891 898-89f 8ca-8e2 9fe afa-aff b55 c04 c3c d00 d3b-d3c d81 eba ece 180f 1885-1886` +
		` 1abf-1ace 1df6-1dfb a82c a8c5 a8ff a9bd 10d24-10d27 10eab-10eac 10efd-10eff 10f46-10f50` +
		` 10f82-10f85 11070 11073-11074 110c2 110cd 111c9 111cf 1123e 11241 1133b 11438-1143f` +
		` 11442-11444 11446 1145e 1182f-11837 11839-1183a 1193b-1193c 1193e 11943 119d4-119d7` +
		` 119da-119db 119e0 11a01-11a0a 11a33-11a38 11a3b-11a3e 11a47 11a51-11a56 11a59-11a5b` +
		` 11a8a-11a96 11a98-11a99 11c30-11c36 11c38-11c3d 11c3f 11c92-11ca7 11caa-11cb0 11cb2-11cb3` +
		` 11cb5-11cb6 11d31-11d36 11d3a 11d3c-11d3d 11d3f-11d45 11d47 11d90-11d91 11d95 11d97` +
		` 11ef3-11ef4 11f00-11f01 11f36-11f3a 11f40 11f42 13430-13440 13447-13455 16f4f 16fe4` +
		` 1cf00-1cf2d 1cf30-1cf46 1e000-1e006 1e008-1e018 1e01b-1e021 1e023-1e024 1e026-1e02a 1e08f` +
		` 1e130-1e136 1e2ae 1e2ec-1e2ef 1e4ec-1e4ef 1e944-1e94a`)
	joined = table(`61d 9fd a76 c77 c84 1b7d-1b7e 2e43-2e4f 2e52-2e5d 10ead 10f55-10f59 10f86-10f89 1144b-1144f` +
		` 1145a-1145b 1145d 11660-1166c 116b9 1183b 11944-11946 119e2 11a3f-11a46 11a9a-11a9c` +
		` 11a9e-11aa2 11b00-11b09 11c41-11c45 11c70-11c71 11ef7-11ef8 11f43-11f4f 11fff 12ff1-12ff2` +
		` 16e97-16e9a 16fe2 1e95e-1e95f`)
)

// table makes a table of ranges, such as 7fd and 890-891.
func table(ranges string) *unicode.RangeTable {
	t := &unicode.RangeTable{}
	for one := range strings.FieldsSeq(ranges) {
		from, to, several := strings.Cut(one, "-")
		if !several {
			to = from
		}
		low, _ := strconv.ParseUint(from, 16, 32)
		high, _ := strconv.ParseUint(to, 16, 32)
		if high < 1<<16 {
			t.R16 = append(t.R16, unicode.Range16{Lo: uint16(low), Hi: uint16(high), Stride: 1})
		} else {
			t.R32 = append(t.R32, unicode.Range32{Lo: uint32(low), Hi: uint32(high), Stride: 1})
		}
	}
	return t
}

// removed reports whether r is a control character, which does not even divide words.
func removed(r rune) bool {
	return r != '\t' && r != '\n' && r != '\r' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co) && !unicode.Is(kept, r)
}

// accent reports whether r is an accent, which is removed.
func accent(r rune) bool { return unicode.Is(unicode.Mn, r) && !unicode.Is(kept, r) || r == 0x1734 }

// punctuation reports whether r is a word of its own.
func punctuation(r rune) bool {
	if r < unicode.MaxASCII {
		return r > ' ' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}
	return unicode.IsPunct(r) && !unicode.Is(joined, r) || r == 0x166d || r == 0x111c9
}
