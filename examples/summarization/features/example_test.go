package features_test

import (
	"fmt"

	"github.com/ekiben-serving/ekiben/examples/summarization/features"
)

func ExampleVector() {
	similarity := func(a, b string) (cosine float32) {
		va, vb := features.Vector(a, 256), features.Vector(b, 256)
		for i := range va {
			cosine += va[i] * vb[i]
		}
		return cosine
	}
	const text = "The cat jumped over the fence."
	fmt.Printf("%.1f\n", similarity(text, "Over the fence the cat jumped!"))
	fmt.Println(similarity(text, "A cat jumps a fence.") > similarity(text, "Interest rates rise."))
	// Output:
	// 1.0
	// true
}
