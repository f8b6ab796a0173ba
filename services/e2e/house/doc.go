// Package house tests the rules of the repository as a whole: who may import whom.
// Rules of a single package are tested beside it, with services/internal/deptest.
package house
