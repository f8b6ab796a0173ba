module github.com/touchline/touchline/tools/mutate

go 1.26
