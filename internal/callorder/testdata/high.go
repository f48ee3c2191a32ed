package testdata

// High calls a file above it.
func High() {
	low()
}
