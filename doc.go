// Package ekiben is a serving runtime for Go whose metrics are drop-in
// compatible with BentoML's. The code is in the packages below: start with
// runtime.
package ekiben
