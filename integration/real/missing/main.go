// Command missing prints which programs the tests have to build first, and how long
// that takes.
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
