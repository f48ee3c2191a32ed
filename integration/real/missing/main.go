// Command missing says which real servers the tests beside it have to make first,
// and how long that takes.
package main

import (
	"log"
	"os"

	real "github.com/ekiben-serving/ekiben/integration/real"
)

func main() {
	if err := real.Missing(os.Stdout); err != nil {
		log.Fatal("missing: ", err)
	}
}
