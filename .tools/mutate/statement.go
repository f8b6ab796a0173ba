package main

import (
	"go/ast"
	"go/token"
)

// statement removes calls and assignments and swaps break and continue.
func (f *finder) statement(s ast.Stmt) {
	if !f.inList(s) {
		return
	}
	switch s := s.(type) {
	case *ast.ExprStmt:
		if call, ok := s.X.(*ast.CallExpr); ok && f.text(call.Fun) != "panic" {
			f.guard(s)
		}
	case *ast.AssignStmt:
		if s.Tok != token.DEFINE && f.text(s.Lhs[0]) != "_" {
			f.guard(s)
		}
	case *ast.IncDecStmt:
		f.guard(s)
	case *ast.BranchStmt:
		f.branch(s)
	}
}

// inList says whether s stands in a block, not in the head of a statement.
func (f *finder) inList(s ast.Stmt) bool {
	switch p := f.parent().(type) {
	case *ast.BlockStmt:
		return true
	case *ast.CaseClause:
		return true
	case *ast.LabeledStmt:
		return p.Stmt != s
	}
	return false
}

func (f *finder) guard(s ast.Stmt) {
	id := f.add(s, change{"removed", false})
	f.insertBefore(s, s, "if !mutantIs("+id+") {")
	f.insertAfter(s, s, "}")
}

func (f *finder) branch(s *ast.BranchStmt) {
	turned := map[token.Token]string{token.BREAK: "continue", token.CONTINUE: "break"}[s.Tok]
	if turned == "" || s.Label != nil || turned == "continue" && !f.inLoop() {
		return
	}
	id := f.add(s, change{turned, false})
	f.insertBefore(s, s, "if mutantIs("+id+") {"+turned+"};")
}

// inLoop says whether a loop of this function is around.
func (f *finder) inLoop() bool {
	for i := len(f.stack) - 1; i >= 0; i-- {
		switch f.stack[i].(type) {
		case *ast.ForStmt, *ast.RangeStmt:
			return true
		case *ast.FuncLit, *ast.FuncDecl:
			return false
		}
	}
	return false
}
