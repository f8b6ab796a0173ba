module github.com/touchline/touchline/pixel

go 1.26
