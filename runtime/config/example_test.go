package config_test

import (
	"errors"
	"fmt"

	"github.com/ekiben-serving/ekiben/runtime/config"
)

// A source merges a file, variables and flags over the defaults.
func ExampleSource_Load() {
	source := config.Source{
		File:    "ekiben.yaml",
		Content: []byte("traffic: {timeout: 10, max_concurrency: 64}"), // without Content, Load reads the file
		Environ: []string{"EKIBEN_TRAFFIC__TIMEOUT=5"},
	}
	loaded, err := source.Load(config.Default())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(loaded.Config.Traffic.Timeout, loaded.Config.Traffic.MaxConcurrency)
	for _, key := range loaded.Explain("traffic.timeout") {
		fmt.Println(key.Key, "is set by", key.Source)
	}
	// Output:
	// 5s 64
	// traffic.timeout is set by EKIBEN_TRAFFIC__TIMEOUT
}

// Load returns all errors at once. Problems separates them.
func ExampleProblems() {
	source := config.Source{File: "ekiben.yaml", Content: []byte("http: {prot: 8080}\nworkers: 0")}
	_, err := source.Load(config.Default())
	for _, one := range config.Problems(err) {
		var problem *config.Problem
		if errors.As(one, &problem) {
			fmt.Printf("line %d, key %s: %s\n", problem.Where.Line, problem.Key, problem.Text)
		}
	}
	// Output:
	// line 1, key http.prot: unknown key; did you mean http.port?
	// line 2, key workers: must be between 1 and 4096, found 0
}
