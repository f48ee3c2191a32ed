package prometheus

import "regexp"

var exemplarTime = regexp.MustCompile(`(?m)( # \{.*\} \S+) [0-9]+\.[0-9]{3}$`)

// maskTimes replaces the times of exemplars, which are the SDK's clock's.
func maskTimes(page string) string {
	return exemplarTime.ReplaceAllString(page, "$1 TIME")
}
