package reftest

import (
	"fmt"
	"slices"
	"strings"
)

// keep returns the items of which is holds.
func keep[T any](items []T, is func(T) bool) []T {
	return slices.DeleteFunc(slices.Clone(items), func(item T) bool { return !is(item) })
}

// flat returns what of makes of each item.
func flat[A, B any](items []A, of func(A) []B) (all []B) {
	for _, item := range items {
		all = append(all, of(item)...)
	}
	return all
}

// sorted returns the items by key, equals as they were.
func sorted[T any](items []T, key func(T) string) []T {
	return slices.SortedStableFunc(slices.Values(items), func(a, b T) int { return strings.Compare(key(a), key(b)) })
}

// groups returns the items of one key together, firsts the first of each, one the first of all or nothing.
func groups[T any](items []T, key func(T) string) (all [][]T) {
	index := map[string]int{}
	for _, item := range items {
		i, known := index[key(item)]
		if !known {
			i, all = len(all), append(all, nil)
			index[key(item)] = i
		}
		all[i] = append(all[i], item)
	}
	return all
}

func firsts[T any](items []T, key func(T) string) []T {
	return flat(groups(items, key), func(group []T) []T { return group[:1] })
}

func one[T any](items []T) (first T) {
	for _, item := range slices.Backward(items) {
		first = item
	}
	return first
}

// order is a text that sorts as its parts do, texts and numbers that are not negative.
func order(parts ...any) (key string) {
	for _, part := range parts {
		if text, is := part.(string); is {
			key += text + "\x00"
		} else {
			key += fmt.Sprintf("%020d", part)
		}
	}
	return key
}
