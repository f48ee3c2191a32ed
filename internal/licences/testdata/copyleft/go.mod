module example.com/copyleft

go 1.26.0

require example.com/own v1.0.0
