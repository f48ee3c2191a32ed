package textrank_test

import (
	"context"
	"fmt"

	"github.com/ekiben-serving/ekiben/examples/summarization/textrank"
)

func ExampleSummarize() {
	summary, err := textrank.Summarize(context.Background(),
		"It rained. The harbour bridge will close for repairs in May. "+
			"Repairs of the harbour bridge will take a year. Gulls do not mind.")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(summary)
	// Output: The harbour bridge will close for repairs in May.
}
