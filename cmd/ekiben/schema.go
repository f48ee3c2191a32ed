package main

import "github.com/ekiben-serving/ekiben/runtime/config"

type schemaCommand struct{}

// Help shows how the command is used.
func (schemaCommand) Help() string {
	return `Editors with JSON Schema complete and check configuration files with it. Name it in the first line of a file:

  # yaml-language-server: $schema=config.schema.json

Examples:
  ekiben schema
  ekiben schema > config.schema.json`
}

// Run prints the schema.
func (schemaCommand) Run(t terminal) error {
	_, err := t.stdout.Write(config.Schema())
	return err
}
