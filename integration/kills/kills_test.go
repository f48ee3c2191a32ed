package main

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	if os.Getenv(childPort) != "" {
		exit(serve())
	}
	os.Exit(m.Run())
}

// No task is lost when its process is killed, with one process on the file and with two.
func TestNoTaskIsLost(t *testing.T) {
	for name, f := range map[string]flags{
		"one process":   {Tasks: 1000, Kills: 50, Replicas: 1, Store: "sqlite"},
		"two processes": {Tasks: 200, Kills: 10, Replicas: 2, Store: "sqlite"},
	} {
		t.Run(name, func(t *testing.T) {
			report, err := run(f)
			if err != nil {
				t.Fatal(err)
			}
			t.Log(report)
		})
	}
}
