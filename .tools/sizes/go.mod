module github.com/touchline/touchline/tools/sizes

go 1.26
