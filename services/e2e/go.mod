module github.com/touchline/touchline/services/e2e

go 1.26
