package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
)

// count is how many texts there are. They begin again after the last.
const count = 4096

// kinds are the lengths of the texts, in words: 60 % are like a query, 30 % like a sentence,
// and 10 % like a paragraph.
var kinds = []struct {
	share       int // of 100
	short, long int // words
}{{60, 3, 10}, {30, 10, 25}, {10, 40, 120}}

var words = strings.Fields(`the a of and to in is that for with on as by this from at or an be are was it not which have
	has their more one all can had will its other some into over time people water world life day part number system
	house city book paper river mountain engine signal market price model garden winter summer doctor teacher student
	history music language science machine network server memory request response failure kitchen bicycle airport
	bridge forest island harbour village journey weather temperature pressure analysis measurement distribution
	embedding transformer tokenization photosynthesis infrastructure reliability characteristics responsibility
	small large early late bright quiet common rapid simple modern ancient careful sudden remarkable
	moves reads writes keeps turns grows falls carries opens closes measures describes compares remembers explains
	slowly quickly often never always again today yesterday however therefore because although between without`)

// makeTexts returns the same texts for the same seed.
func makeTexts(seed uint64) []string {
	random := rand.New(rand.NewPCG(seed, 0))
	texts := make([]string, count)
	for i := range texts {
		at := random.IntN(100)
		kind := 0
		for ; at >= kinds[kind].share; kind++ {
			at -= kinds[kind].share
		}
		k := kinds[kind]
		texts[i] = makeText(random, k.short+random.IntN(k.long-k.short+1))
	}
	return texts
}

// makeText returns sentences of up to 15 words.
func makeText(random *rand.Rand, length int) string {
	var b strings.Builder
	for i := range length {
		word := words[random.IntN(len(words))]
		switch {
		case i%15 == 0 && i > 0:
			b.WriteString(". ")
		case i > 0:
			b.WriteByte(' ')
		}
		if i%15 == 0 {
			word = strings.ToUpper(word[:1]) + word[1:]
		}
		b.WriteString(word)
	}
	return b.String() + "."
}

// httpRequests returns HTTP requests with each number of texts in turn, as they go over the wire.
func httpRequests(texts []string, each int) [][]byte {
	var requests [][]byte
	for at := 0; at+each <= len(texts); at += each {
		requests = append(requests, httpRequest(texts[at:at+each]))
	}
	return requests
}

func httpRequest(texts []string) []byte {
	body, _ := json.Marshal(map[string][]string{"texts": texts}) //nolint:errchkjson // texts can be marshalled
	return fmt.Appendf(nil, "POST /encode HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}
