module github.com/touchline/touchline/services/devstack

go 1.26
