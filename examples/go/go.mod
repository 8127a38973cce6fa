module example.org/duration

go 1.19
