package main

// schema is the file that is added to each package that is mutated: the functions its
// rewritten expressions call. Each is given the number of its first mutant; MUTANT in
// the environment turns one on. Its imports and names cannot meet those of a package.
const schema = `package %[1]s

import (
	mutantcmp "cmp"
	mutantos "os"
	mutantreflect "reflect"
	mutantmetrics "runtime/metrics"
	mutantstrconv "strconv"
	mutantsync "sync"
	mutantsyscall "syscall"
	mutanttime "time"
)

var mutantOn, _ = mutantstrconv.Atoi(mutantos.Getenv("MUTANT"))

// What tests meet is written once each to a file, when there is one: the places that
// they reach, and the mutants that would have done something else there.
var mutantLog = func() *mutantos.File {
	f, _ := mutantos.OpenFile(mutantos.Getenv("MUTANT_LOG"), mutantos.O_APPEND|mutantos.O_WRONLY, 0)
	return f
}()

var mutantSeen mutantsync.Map

func mutantTell(what string, id int) {
	key := id
	if what == "differs" {
		key = -id
	}
	if _, seen := mutantSeen.Load(key); seen {
		return
	}
	if _, seen := mutantSeen.LoadOrStore(key, true); !seen {
		_, _ = mutantLog.WriteString(what + " " + mutantstrconv.Itoa(id) + "\n")
	}
}

// A mutant that eats the machine's memory is as good as caught, and one that uses more
// time of the processor than the tests are given is ended.
var _ = func() bool {
	if mutantOn > 0 {
		go mutantWatch()
	}
	return true
}()

func mutantWatch() {
	limit, _ := mutanttime.ParseDuration(mutantos.Getenv("MUTANT_LIMIT"))
	sample := []mutantmetrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	for {
		mutantmetrics.Read(sample)
		if sample[0].Value.Uint64() > 1<<30 {
			mutantos.Exit(3)
		}
		var used mutantsyscall.Rusage
		_ = mutantsyscall.Getrusage(mutantsyscall.RUSAGE_SELF, &used)
		if limit > 0 && mutanttime.Duration(used.Utime.Nano()+used.Stime.Nano()) > limit {
			mutantos.Exit(%[2]d)
		}
		mutanttime.Sleep(20 * mutanttime.Millisecond)
	}
}

// mutantPick says which mutant of a place is on, and notes which of them do there
// something else than the code as it is.
func mutantPick(id int, differ ...bool) int {
	if mutantLog != nil {
		mutantTell("reached", id)
		for i, d := range differ {
			if d {
				mutantTell("differs", id+i)
			}
		}
	}
	return mutantOn - id
}

func mutantIs(id int) bool { return mutantPick(id, true) == 0 }

func mutantIf(id int, c bool) bool {
	switch mutantPick(id, !c, c) {
	case 0:
		return true
	case 1:
		return false
	}
	return c
}

func mutantAnd(id int, a bool, b func() bool) bool {
	switch mutantPick(id, true, a, !a) {
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
	switch mutantPick(id, true, !a, a) {
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
	switch mutantPick(id, true, true) {
	case 0:
		return v + 1
	case 1:
		return v - 1
	}
	return v
}

func mutantZero[T any](id int, v T) T {
	if mutantPick(id, !mutantreflect.ValueOf(&v).Elem().IsZero()) == 0 {
		var zero T
		return zero
	}
	return v
}

func mutantOrder(id int, v int) int {
	switch mutantPick(id, v != 0, v != 0) {
	case 0:
		return -v
	case 1:
		return 0
	}
	return v
}

func mutantMin[T mutantcmp.Ordered](id int, a, b T) T {
	if mutantPick(id, a != b) == 0 {
		return max(a, b)
	}
	return min(a, b)
}

func mutantMax[T mutantcmp.Ordered](id int, a, b T) T {
	if mutantPick(id, a != b) == 0 {
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
	switch mutantPick(id, (a %[2]s b) != (a %[3]s b), true) {
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
