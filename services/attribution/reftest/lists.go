package reftest

import (
	"cmp"
	"fmt"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/cockroachdb/apd/v3"
	"github.com/rivo/uniseg"
)

// The words of the reference for lists and exact numbers. No rule of the contract is here.

// each returns what of makes of each item, flat all in one.
func each[A, B any](items []A, of func(A) B) (all []B) {
	for _, item := range items {
		all = append(all, of(item))
	}
	return all
}

func flat[A, B any](items []A, of func(A) []B) []B { return slices.Concat(each(items, of)...) }

// keep returns the items of which is holds.
func keep[T any](items []T, is func(T) bool) []T {
	return slices.DeleteFunc(slices.Clone(items), func(item T) bool { return !is(item) })
}

// keys are those of a map, in order.
func keys[V any](of map[string]V) []string { return slices.Sorted(maps.Keys(of)) }

// groups returns the items of one key together, by key; firsts the first of each as they were; sorted all by key, equals as they were.
func groups[T any](items []T, key func(T) string) [][]T {
	of := map[string][]T{}
	for _, item := range items {
		of[key(item)] = append(of[key(item)], item)
	}
	return each(keys(of), func(key string) []T { return of[key] })
}

func firsts[T any](items []T, key func(T) string) (all []T) {
	seen := map[string]bool{}
	for _, item := range items {
		all = append(all, when(!seen[key(item)], []T{item})...)
		seen[key(item)] = true
	}
	return all
}

func sorted[T any](items []T, key func(T) string) []T { return slices.Concat(groups(items, key)...) }

// runs are items that follow each other, parted where breaks says so of a run's first item, the item before and the item.
func runs[T any](items []T, breaks func(first, before, item T) bool) (all [][]T) {
	for i, item := range items {
		if i == 0 || breaks(all[len(all)-1][0], items[i-1], item) {
			all = append(all, nil)
		}
		all[len(all)-1] = append(all[len(all)-1], item)
	}
	return all
}

// sets says which texts belong together; those that were joined with none are sets of their own.
type sets map[string]string

func (s sets) of(text string) string { return cmp.Or(s[text], text) }

func (s sets) join(a, b string) {
	from, to := s.of(a), s.of(b)
	for text, set := range s {
		s[text] = cmp.Or(when(set == from, to), set)
	}
	s[from] = to
}

// segments are a text's between UAX 29 word boundaries.
func segments(text string) (all []string) {
	for state := -1; text != ""; {
		var word string
		word, text, state = uniseg.FirstWordInString(text, state)
		all = append(all, word)
	}
	return all
}

// one returns the first item, last the last one, a new one of an empty list.
func one[T any](items []*T) *T  { return append(slices.Clip(items), new(T))[0] }
func last[T any](items []*T) *T { return append([]*T{new(T)}, items...)[len(items)] }

func some[T any](items []T, is func(T) bool) bool { return slices.ContainsFunc(items, is) }
func in[T comparable](item T, items ...T) bool    { return slices.Contains(items, item) }
func when[T any](is bool, value T) T              { return map[bool]T{true: value}[is] }

var patterns sync.Map // compiled, by text

func compiled(pattern string) *regexp.Regexp {
	known, ok := patterns.Load(pattern)
	if !ok {
		known, _ = patterns.LoadOrStore(pattern, regexp.MustCompile(pattern))
	}
	return known.(*regexp.Regexp)
}

func like(text, pattern string) bool          { return compiled(pattern).MatchString(text) }
func replace(text, pattern, by string) string { return compiled(pattern).ReplaceAllString(text, by) }

// order is a text that sorts as its parts do, n a number in it, not negative.
func order(parts ...string) string                { return strings.Join(parts, "\x00") }
func n[N ~int | ~uint8 | ~int64](number N) string { return fmt.Sprintf("%020d", number) }

func rat[N ~int | ~int64](n N) *big.Rat { return big.NewRat(int64(n), 1) }
func mul(a, b *big.Rat) *big.Rat        { return new(big.Rat).Mul(a, b) }
func quo(a, b *big.Rat) *big.Rat        { return new(big.Rat).Quo(a, b) }
func sub(a, b *big.Rat) *big.Rat        { return new(big.Rat).Sub(a, b) }
func abs(r *big.Rat) *big.Rat           { return new(big.Rat).Abs(r) }
func floor(r *big.Rat) *big.Rat         { return new(big.Rat).SetInt(new(big.Int).Quo(r.Num(), r.Denom())) } // of one not negative

func least(a, b *big.Rat) *big.Rat { return slices.MinFunc([]*big.Rat{a, b}, (*big.Rat).Cmp) }

func sum(all ...*big.Rat) *big.Rat {
	total := new(big.Rat)
	for _, r := range all {
		total.Add(total, r)
	}
	return total
}

func power(of int64, exponent int) *big.Rat {
	return new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(of), big.NewInt(int64(exponent)), nil))
}

// count are the numbers from 0 to below to; descending the same, those first of which more is there, equals as they were.
func count(to int) (all []int) {
	for i := range to {
		all = append(all, i)
	}
	return all
}

func descending(of func(int) *big.Rat, to int) []int {
	return slices.SortedStableFunc(slices.Values(count(to)), func(a, b int) int { return of(b).Cmp(of(a)) })
}

// halved is 2^-(whole / half), to 40 digits; 0 when it is too small to be told from it.
func halved(whole, half int64) *big.Rat {
	context, power := apd.BaseContext.WithPrecision(40), new(apd.Decimal)
	_, _ = context.Quo(power, apd.New(whole, 0), apd.New(half, 0))
	_, _ = context.Pow(power, apd.New(5, -1), power)
	r, _ := new(big.Rat).SetString(power.Text('e'))
	return cmp.Or(r, new(big.Rat))
}
