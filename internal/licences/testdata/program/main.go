package main

import (
	_ "example.com/program/inner"
	_ "example.com/silent"
)

func main() {}
