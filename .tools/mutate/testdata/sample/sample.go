// Package sample is code to be mutated: what each line is for says mutate_test.go.
package sample

import "cmp"

const most = 3

// Kept is tested on both sides of its edge.
func Kept(n int) bool { return n > 0 && n <= most }

// Loose is tested in the middle alone.
func Loose(n int) bool {
	if n < 10 {
		return true
	}
	return false
}

// Forgotten is not tested.
func Forgotten(a, b int) int { return a + b }

// Endless does not end when its step is taken away.
func Endless(n int) (steps int) {
	for n > 0 {
		n -= 1
		steps++
	}
	return steps
}

// Order compares by two things.
func Order(a, b [2]int) int {
	return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1]))
}

// First is the first even number.
func First(list []int) (found int) {
	for _, n := range list {
		if n%2 != 0 {
			continue
		}
		found = n
		break
	}
	return found
}
