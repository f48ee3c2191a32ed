package minilm

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode"
)

// texts returns a thousand texts of all lengths and scripts: words of each script of Unicode, with
// spaces, punctuation, accents, control characters and special tokens between them.
func texts() []string {
	random := rand.New(rand.NewPCG(1, 1))
	scripts := make([]string, 0, len(unicode.Scripts))
	for name := range unicode.Scripts {
		scripts = append(scripts, name)
	}
	slices.Sort(scripts)
	between := []string{" ", " ", " ", "  ", "\t", "\n", ", ", ". ", "-", "'", "…", "!?", "\u00a0", "\u3000", "\u200b", "\u0301", "\x00", "\x7f", "\ufffd", "[SEP]", "[MASK] ", "##", "🙂"}
	english := strings.Fields("The quick brown fox jumps over a lazy dog while embeddings of unbelievably long sentences were tokenized, unaffordable internationalisation notwithstanding café naïve Zürich Übergröße İstanbul ﬁne ½ ²")
	all := []string{"", " ", "[CLS]", "a", strings.Repeat("x", 100), strings.Repeat("x", 101), strings.Repeat("word ", 300), "\u0301", "ß", "İ", "日本語のテキスト", "한국어", "[PAD][UNK]", "[sep]"}
	for len(all) < 1000 {
		var b strings.Builder
		own := unicode.Scripts[scripts[random.IntN(len(scripts))]]
		for range 1 + random.IntN(1+random.IntN(120)) {
			if random.IntN(3) > 0 {
				b.WriteString(english[random.IntN(len(english))])
			} else {
				for range 1 + random.IntN(8) {
					b.WriteRune(letter(own, random))
				}
			}
			b.WriteString(between[random.IntN(len(between))])
		}
		all = append(all, b.String())
	}
	return all
}

// letter returns a character of a script.
func letter(script *unicode.RangeTable, random *rand.Rand) rune {
	if at := random.IntN(len(script.R16) + len(script.R32)); at < len(script.R16) {
		r := script.R16[at]
		return rune(r.Lo) + rune(r.Stride)*rune(random.IntN(1+int((r.Hi-r.Lo)/r.Stride)))
	} else {
		r := script.R32[at-len(script.R16)]
		return rune(r.Lo) + rune(r.Stride)*rune(random.IntN(1+int((r.Hi-r.Lo)/r.Stride)))
	}
}

// reference is what reference.py computes for a text.
type reference struct {
	Tokens []int32   `json:"tokens"`
	Vector []float64 `json:"vector"`
}

// compute returns what reference.py computes, which takes a minute or two once. Tests that need it are skipped without the model.
func compute(t *testing.T, input, output any, args ...string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(Folder(), GraphFile)); err != nil {
		t.Skip("no model: go run ./fetch gets it")
	}
	content, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile("../reference/reference.py")
	if err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(Folder(), fmt.Sprintf("reference-%x.json", sha256.Sum256(fmt.Append(script, string(content), args))))
	result, err := os.ReadFile(kept)
	if err != nil {
		result = python(t, content, append([]string{"../reference/reference.py", Folder()}, args...)...)
		if err := os.WriteFile(kept, result, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := json.Unmarshal(result, output); err != nil {
		t.Fatal(err)
	}
}

// python runs Python with the packages that reference.py needs, which are installed once.
func python(t *testing.T, input []byte, args ...string) []byte {
	t.Helper()
	installing.Lock()
	defer installing.Unlock()
	folder := filepath.Join(Folder(), "reference")
	if _, err := os.Stat(filepath.Join(folder, "whole")); err != nil {
		_ = os.RemoveAll(folder)
		run(t, nil, "python3", "-m", "pip", "install", "--quiet", "--target", folder, "tokenizers==0.23.3", "numpy==2.4.6", "scipy==1.17.1")
		if err := os.WriteFile(filepath.Join(folder, "whole"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PYTHONPATH", folder)
	return run(t, input, "python3", args...)
}

var installing sync.Mutex

func run(t *testing.T, input []byte, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(input), os.Stderr
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return output
}

var everyText = flag.Bool("every-text", false, "embed all texts also with hugot, which takes minutes")

// Tokens are those of the Python reference, and vectors differ by at most 1e-5, for a thousand texts of
// all lengths and scripts, in batches. hugot embeds each sixteenth of them, unless -every-text is
// given.
func TestReference(t *testing.T) {
	all, want := texts(), []reference{}
	compute(t, all, &want)
	model, err := Open(Folder(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	step := 1
	if Backend == "hugot" && !*everyText {
		step = 16
	}
	var some []string
	for i, text := range all {
		if got := model.Encode(text); !slices.Equal(got, want[i].Tokens) {
			t.Errorf("tokens of %q:\n%v, want\n%v", text, got, want[i].Tokens)
		}
		if i%step == 0 {
			some = append(some, text)
		}
	}
	vectors, err := model.Embed(t.Context(), some)
	if err != nil {
		t.Fatal(err)
	}
	most := 0.0
	for i, vector := range vectors {
		for at, v := range vector {
			most = max(most, math.Abs(float64(v)-want[i*step].Vector[at]))
		}
	}
	if most > 1e-5 {
		t.Errorf("the largest difference of a vector is %g", most)
	}
	t.Logf("%s: the largest difference of %d vectors is %g", Backend, len(vectors), most)
	if err := model.Close(); err != nil {
		t.Error(err)
	}
}

// Every character of Unicode is removed, a space, or a word of its own if the reference says so.
func TestCharacters(t *testing.T) {
	var want map[string][]rune
	compute(t, nil, &want, "characters")
	got := map[string][]rune{}
	for r := rune(1); r <= unicode.MaxRune; r++ {
		if r >= 0xd800 && r < 0xe000 { // no characters
			continue
		}
		switch normalize("a" + string(r) + "b") {
		case "ab":
			got["removed"] = append(got["removed"], r)
		case "a b":
			got["spaces"] = append(got["spaces"], r)
		}
		if punctuation(r) {
			got["punctuation"] = append(got["punctuation"], r)
		}
	}
	for name := range want {
		if !slices.Equal(got[name], want[name]) {
			t.Errorf("%s: %d characters, want %d", name, len(got[name]), len(want[name]))
		}
	}
}
