package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strconv"
	"strings"
)

// fate is what became of a mutant.
type fate string

const (
	killed    fate = "killed"
	ended     fate = "ended"     // killed: the tests took too long
	survived  fate = "survived"  // tests reach it and pass
	unreached fate = "unreached" // no test runs the line
)

// mutant is one change of the code.
type mutant struct {
	id            int
	first         int // id of the first at this place: it is what is logged as reached
	pkg           string
	file          string // full path
	line          int
	at            string // file:line:column, short
	before, after string
	fate          fate
}

// change is what a mutant does; one that is redundant is numbered and not made.
type change struct {
	after     string
	redundant bool
}

// edit replaces length bytes at an offset.
type edit struct {
	at, length int
	text       string
	closes     bool // it ends what stands before the offset
	order      int
}

// source is one file on its way to its mutated form.
type source struct {
	set     *token.FileSet
	name    string // full path
	content []byte
	pkg     *types.Package
	imports map[string]string // import path to name in the file
	dropped map[place]bool    // lines whose mutants do not compile
	next    *int              // next free id, of all packages
	edits   []edit
	mutants []*mutant
}

// place is a line of a file.
type place struct {
	file string
	line int
}

func (s *source) offset(p token.Pos) int { return s.set.Position(p).Offset }

// text is the code of a node, on one line.
func (s *source) text(n ast.Node) string {
	code := string(s.content[s.offset(n.Pos()):s.offset(n.End())])
	return strings.Join(strings.Fields(code), " ")
}

// add numbers the changes of a node and returns the first number as text.
func (s *source) add(n ast.Node, changes ...change) string {
	p := s.set.Position(n.Pos())
	first := *s.next
	*s.next += len(changes)
	for i, c := range changes {
		if c.redundant || s.dropped[s.place(n)] {
			continue
		}
		s.mutants = append(s.mutants, &mutant{
			id: first + i, first: first, pkg: s.pkg.Path(), file: s.name, line: p.Line,
			at:     fmt.Sprintf("%s/%s:%d:%d", short(s.pkg.Path()), s.name[strings.LastIndexByte(s.name, '/')+1:], p.Line, p.Column),
			before: clip(s.text(n)), after: clip(c.after),
		})
	}
	return strconv.Itoa(first)
}

func clip(text string) string {
	const most = 70
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

// wrap puts a call of a schema's function around a node.
func (s *source) wrap(n ast.Node, function string, changes ...change) {
	id := s.add(n, changes...)
	s.insertBefore(n, n, function+"("+id+", ")
	s.insertAfter(n, n, ")")
}

// negate turns a truth value round.
func (s *source) negate(n ast.Node) {
	id := s.add(n, change{"negated", false})
	s.insertBefore(n, n, "((")
	s.insertAfter(n, n, ") != mutantIs("+id+"))")
}

// rename calls a schema's function instead of the one that is called.
func (s *source) rename(call *ast.CallExpr, function, after string) {
	id := s.add(call, change{after, false})
	s.replace(call, call.Pos(), s.offset(call.Lparen)-s.offset(call.Pos())+1, function+"("+id+", ")
}

// insertBefore, insertAfter and replace edit on behalf of the node whose mutants want
// it. They are called from the outside in, as Inspect goes.
func (s *source) insertBefore(of, n ast.Node, text string) {
	s.edit(of, edit{at: s.offset(n.Pos()), text: text})
}

func (s *source) insertAfter(of, n ast.Node, text string) {
	s.edit(of, edit{at: s.offset(n.End()), text: text, closes: true})
}

func (s *source) replace(of ast.Node, at token.Pos, length int, text string) {
	s.edit(of, edit{at: s.offset(at), length: length, text: text})
}

func (s *source) edit(of ast.Node, e edit) {
	if !s.dropped[s.place(of)] {
		e.order = len(s.edits)
		s.edits = append(s.edits, e)
	}
}

func (s *source) place(n ast.Node) place { return place{s.name, s.set.Position(n.Pos()).Line} }

// mutated is the file with every edit made.
func (s *source) mutated() []byte {
	slices.SortFunc(s.edits, func(a, b edit) int {
		if a.at != b.at {
			return cmp.Compare(a.at, b.at)
		}
		switch {
		case a.closes && b.closes: // the innermost ends first
			return cmp.Compare(b.order, a.order)
		case a.closes:
			return -1
		case b.closes:
			return 1
		}
		return cmp.Compare(a.order, b.order)
	})
	var out []byte
	from := 0
	for _, e := range s.edits {
		out = append(append(out, s.content[from:e.at]...), e.text...)
		from = e.at + e.length
	}
	return append(out, s.content[from:]...)
}
