package main

// schema is the file that is added to each package that is mutated: the functions its
// rewritten expressions call. Each is given the number of its first mutant; MUTANT in
// the environment turns one on. Its imports and names cannot meet those of a package.
const schema = `package %s

import (
	mutantcmp "cmp"
	mutantos "os"
	mutantmetrics "runtime/metrics"
	mutantstrconv "strconv"
	mutantsync "sync"
	mutanttime "time"
)

var mutantOn, _ = mutantstrconv.Atoi(mutantos.Getenv("MUTANT"))

// Which mutants are reached is written once each to a file, when there is one.
var mutantLog = func() *mutantos.File {
	f, _ := mutantos.OpenFile(mutantos.Getenv("MUTANT_REACHED"), mutantos.O_APPEND|mutantos.O_WRONLY, 0)
	return f
}()

var mutantSeen mutantsync.Map

// A mutant that eats the machine's memory is as good as caught.
var _ = func() bool {
	if mutantOn > 0 {
		go mutantWatch()
	}
	return true
}()

func mutantWatch() {
	sample := []mutantmetrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	for {
		mutantmetrics.Read(sample)
		if sample[0].Value.Uint64() > 1<<30 {
			mutantos.Exit(3)
		}
		mutanttime.Sleep(20 * mutanttime.Millisecond)
	}
}

func mutantPick(id int) int {
	if mutantLog != nil {
		if _, seen := mutantSeen.LoadOrStore(id, true); !seen {
			_, _ = mutantLog.WriteString(mutantstrconv.Itoa(id) + "\n")
		}
	}
	return mutantOn - id
}

func mutantIs(id int) bool { return mutantPick(id) == 0 }

func mutantIf(id int, c bool) bool {
	switch mutantPick(id) {
	case 0:
		return true
	case 1:
		return false
	}
	return c
}

func mutantAnd(id int, a bool, b func() bool) bool {
	switch mutantPick(id) {
	case 0:
		return a || b()
	case 1:
		return a
	case 2:
		return b()
	}
	return a && b()
}

func mutantOr(id int, a bool, b func() bool) bool {
	switch mutantPick(id) {
	case 0:
		return a && b()
	case 1:
		return a
	case 2:
		return b()
	}
	return a || b()
}

type mutantInteger interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~uintptr
}

type mutantNumber interface {
	mutantInteger | ~float32 | ~float64
}

func mutantConst[T mutantInteger](id int, v T) T {
	switch mutantPick(id) {
	case 0:
		return v + 1
	case 1:
		return v - 1
	}
	return v
}

func mutantZero[T any](id int, v T) T {
	if mutantIs(id) {
		var zero T
		return zero
	}
	return v
}

func mutantOrder(id int, v int) int {
	switch mutantPick(id) {
	case 0:
		return -v
	case 1:
		return 0
	}
	return v
}

func mutantMin[T mutantcmp.Ordered](id int, a, b T) T {
	if mutantIs(id) {
		return max(a, b)
	}
	return min(a, b)
}

func mutantMax[T mutantcmp.Ordered](id int, a, b T) T {
	if mutantIs(id) {
		return min(a, b)
	}
	return max(a, b)
}
`

// comparison and arithmetic make the functions of binary operators: the first result of
// the mutant, then that of the code as it is. A comparison's second mutant is its negation.
const (
	comparison = `
func mutant%[1]s[T mutantcmp.Ordered](id int, a, b T) bool {
	switch mutantPick(id) {
	case 0:
		return a %[3]s b
	case 1:
		return !(a %[2]s b)
	}
	return a %[2]s b
}
`
	arithmetic = `
func mutant%[1]s[T %[4]s](id int, a, b T) T {
	if mutantIs(id) {
		return a %[3]s b
	}
	return a %[2]s b
}
`
	shift = `
func mutant%[1]s[T, U mutantInteger](id int, a T, b U) T {
	if mutantIs(id) {
		return a %[3]s b
	}
	return a %[2]s b
}
`
)
