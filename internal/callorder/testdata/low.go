package testdata

func low() {}
