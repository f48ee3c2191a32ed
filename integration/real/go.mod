module github.com/ekiben-serving/ekiben/integration/real

go 1.26.0
