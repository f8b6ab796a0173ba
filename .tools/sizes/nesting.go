package main

import "go/ast"

// nesting is how deep control statements stand in one another below n: 0 for
// straight code, 1 for an if in it. An else-if stands beside its if; a function
// literal adds nothing itself and does not start anew.
func nesting(n ast.Node) int {
	deepest := 0
	for _, child := range children(n) {
		deepest = max(deepest, depth(child))
	}
	return deepest
}

// depth is nesting(n), one more when n is a control statement itself.
func depth(n ast.Node) int {
	switch s := n.(type) {
	case *ast.IfStmt:
		inside := max(1, 1+nesting(s.Body))
		if s.Init != nil {
			inside = max(inside, 1+depth(s.Init))
		}
		inside = max(inside, 1+depth(s.Cond))
		switch e := s.Else.(type) {
		case *ast.IfStmt:
			inside = max(inside, depth(e))
		case *ast.BlockStmt:
			inside = max(inside, 1+nesting(e))
		}
		return inside
	case *ast.ForStmt, *ast.RangeStmt, *ast.SwitchStmt, *ast.TypeSwitchStmt, *ast.SelectStmt:
		return 1 + nesting(n)
	default:
		return nesting(n)
	}
}

// children lists the nodes directly below n.
func children(n ast.Node) []ast.Node {
	var found []ast.Node
	ast.Inspect(n, func(c ast.Node) bool {
		if c == n {
			return true
		}
		if c != nil {
			found = append(found, c)
		}
		return false
	})
	return found
}
