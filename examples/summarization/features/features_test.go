package features

import (
	"math"
	"slices"
	"testing"

	"github.com/ekiben-serving/ekiben/internal/check"
)

func dot(a, b []float32) float64 {
	var sum float64
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

// TestVectorIsStable has the numbers of one run. Vectors can be stored only if every
// process, machine and version computes the same ones.
func TestVectorIsStable(t *testing.T) {
	got := Vector("The cat leaps.", 8)
	// √2/√7 and ±1/√7: of ten features, three pairs share a component, and one of these pairs has equal signs.
	want := []float32{0.5345225, 0.37796447, 0, 0.37796447, 0, -0.37796447, -0.37796447, 0.37796447}
	check.Equal(t, got, want)
}

func TestVectorWithoutWords(t *testing.T) {
	for _, text := range []string{"", " \n", "?! — …", "\xff\xfe"} {
		if got := Vector(text, 3); !slices.Equal(got, []float32{0, 0, 0}) {
			t.Errorf("Vector(%q, 3) = %v, want zeros", text, got)
		}
	}
}

func TestVectorWithoutDimensions(t *testing.T) {
	for _, dims := range []int{0, -1, math.MinInt} {
		if got := Vector("cat", dims); got != nil {
			t.Errorf("Vector(%q, %d) = %v, want nil", "cat", dims, got)
		}
	}
}

func TestVectorHasLengthOne(t *testing.T) {
	for _, text := range []string{"a", "7", "cat", "猫", "แมว", "The cat leaps, leaps and leaps.", "caf\xff"} {
		for dims := 1; dims <= 300; dims++ {
			if got := math.Sqrt(dot(Vector(text, dims), Vector(text, dims))); math.Abs(got-1) > 1e-6 {
				t.Errorf("|Vector(%q, %d)| = %v, want 1", text, dims, got)
			}
		}
	}
}

func TestVectorIgnoresOrderAndCase(t *testing.T) {
	if a, b := Vector("The cat sees the dog.", 64), Vector("the DOG: sees the cat", 64); !slices.Equal(a, b) {
		t.Errorf("got %v and %v, want the same", a, b)
	}
}

func TestSimilarTextsAreCloser(t *testing.T) {
	for _, tt := range []struct{ name, text, near, far string }{
		{"words", "The cat jumped over the fence.", "Over the fence jumped a cat.", "The bank raised its interest rates."},
		{"parts of words", "leaping cats", "the cat leaps", "rising rates"},
		{"frequent words alone do not count", "the cat and the dog in the garden",
			"a cat, a dog, a garden", "the rate and the bank in the city"},
		{"no spaces", "猫跳了", "猫又跳", "下雨天"},
		{"Cyrillic", "кошка прыгнула", "прыгающая кошка", "идёт дождь"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := Vector(tt.text, 256)
			near, far := dot(text, Vector(tt.near, 256)), dot(text, Vector(tt.far, 256))
			if near < far+0.2 {
				t.Errorf("cosine to %q is %.2f, to %q %.2f; want the first larger by 0.2", tt.near, near, tt.far, far)
			}
		})
	}
}

func FuzzVector(f *testing.F) {
	for _, text := range []string{"", "The cat leaps.", "猫跳了", "\xff", "İ ß ﬃ e\u0301"} {
		f.Add(text, uint16(16))
	}
	f.Fuzz(func(t *testing.T, text string, dims uint16) {
		got := Vector(text, int(dims))
		if len(got) != int(dims) {
			t.Fatalf("%d numbers, want %d", len(got), dims)
		}
		length := math.Sqrt(dot(got, got))
		if length != 0 && math.Abs(length-1) > 1e-6 {
			t.Errorf("length %v, want 0 or 1", length)
		}
		if !slices.Equal(got, Vector(text, int(dims))) {
			t.Error("two calls differ")
		}
	})
}

func BenchmarkVector(b *testing.B) {
	const text = "Local authorities are considering a town festival to celebrate the leap of the century."
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		Vector(text, 256)
	}
}
