module example.com/program

go 1.26.0

require (
	example.com/copyleft v1.0.0
	example.com/own v1.0.0
	example.com/silent v1.0.0
)

replace (
	example.com/copyleft => ../copyleft
	example.com/own => ../own
	example.com/silent => ../silent
)
