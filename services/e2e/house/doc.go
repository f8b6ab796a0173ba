// Package house tests the rules of the repository as a whole: who may import whom, and
// which words names are made of.
// Rules of a single package are tested beside it, with services/internal/deptest.
package house
