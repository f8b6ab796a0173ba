// Package tracking is the public edge of Touchline; see README.md. The program is
// cmd/tracking, its HTTP interface openapi.yaml.
package tracking
