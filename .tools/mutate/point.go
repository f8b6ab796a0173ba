package main

import (
	"go/ast"
	"go/token"
	"go/types"
	"path"
	"strings"
)

// operator is what becomes of a binary operator.
type operator struct {
	name   string // of its function in the schema
	turned token.Token
	form   string
}

// operators are the binary operators that are mutated by functions of the schema.
var operators = map[token.Token]operator{
	token.LSS: {"Less", token.LEQ, comparison},
	token.LEQ: {"LessEqual", token.LSS, comparison},
	token.GTR: {"Greater", token.GEQ, comparison},
	token.GEQ: {"GreaterEqual", token.GTR, comparison},
	token.ADD: {"Add", token.SUB, arithmetic},
	token.SUB: {"Subtract", token.ADD, arithmetic},
	token.MUL: {"Multiply", token.QUO, arithmetic},
	token.QUO: {"Divide", token.MUL, arithmetic},
	token.REM: {"Rest", token.MUL, arithmetic},
	token.AND: {"BitAnd", token.OR, arithmetic},
	token.OR:  {"BitOr", token.AND, arithmetic},
	token.XOR: {"BitXor", token.AND, arithmetic},
	token.SHL: {"Left", token.SHR, shift},
	token.SHR: {"Right", token.SHL, shift},
}

// finder goes through one file and turns what it meets into mutants.
type finder struct {
	*source
	info  *types.Info
	stack []ast.Node // from the file to the parent of what is looked at
}

// find is called by ast.Inspect.
func (f *finder) find(n ast.Node) bool {
	if n == nil {
		f.stack = f.stack[:len(f.stack)-1]
		return true
	}
	deeper := f.look(n)
	if deeper {
		f.stack = append(f.stack, n)
	}
	return deeper
}

// look finds the mutants of one node and says whether to look into it.
func (f *finder) look(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.GenDecl:
		return n.Tok == token.VAR
	case *ast.FuncType, *ast.FieldList, *ast.ArrayType, *ast.MapType, *ast.StructType, *ast.InterfaceType:
		return false
	case ast.Stmt:
		f.statement(n)
	case ast.Expr:
		return f.expression(n)
	}
	return true
}

func (f *finder) parent() ast.Node { return f.stack[len(f.stack)-1] }

// condition says whether e decides an if, a for or a case without a tag.
func (f *finder) condition(e ast.Expr) bool {
	switch p := f.parent().(type) {
	case *ast.IfStmt:
		return p.Cond == e
	case *ast.ForStmt:
		return p.Cond == e
	case *ast.CaseClause:
		s, ok := f.stack[len(f.stack)-3].(*ast.SwitchStmt)
		return ok && s.Tag == nil
	}
	return false
}

func (f *finder) expression(e ast.Expr) bool {
	tv := f.info.Types[e]
	if tv.IsType() || tv.IsBuiltin() {
		return false
	}
	if tv.Value != nil {
		f.constant(e, tv.Type)
		return false
	}
	decides := f.condition(e)
	if decides {
		// A loop whose condition always holds only costs the time until it is ended.
		_, loop := f.parent().(*ast.ForStmt)
		f.wrap(e, "mutantIf", change{"true", loop}, change{"false", false})
	}
	switch p := f.parent().(type) {
	case *ast.ReturnStmt:
		f.result(e, p)
	case *ast.SliceExpr:
		if p.X != e {
			f.wrap(e, "mutantConst", change{"one more", false}, change{"one less", false})
		}
	}
	switch e := e.(type) {
	case *ast.BinaryExpr:
		f.binary(e, decides)
	case *ast.UnaryExpr:
		if e.Op == token.NOT && !decides {
			f.negate(e)
		}
	case *ast.CallExpr:
		f.call(e)
	case *ast.KeyValueExpr:
		return f.keyed(e)
	}
	return true
}

// keyed looks into the value alone where the key has to be a constant or a field.
func (f *finder) keyed(e *ast.KeyValueExpr) bool {
	if list, ok := f.parent().(*ast.CompositeLit); ok {
		if _, isMap := f.info.TypeOf(list).Underlying().(*types.Map); isMap {
			return true
		}
	}
	f.stack = append(f.stack, e)
	ast.Inspect(e.Value, f.find)
	f.stack = f.stack[:len(f.stack)-1]
	return false
}

// constant makes integers one more and one less, and turns truth values.
func (f *finder) constant(e ast.Expr, t types.Type) {
	basic, ok := t.Underlying().(*types.Basic)
	switch {
	case !ok:
	case basic.Info()&types.IsBoolean != 0:
		f.negate(e)
	case basic.Info()&types.IsString != 0:
		if p, returned := f.parent().(*ast.ReturnStmt); returned && f.text(e) != `""` {
			f.result(e, p)
		}
	case basic.Info()&types.IsInteger != 0:
		name, known := f.typeName(t)
		if !known {
			return
		}
		more, less := f.sameAsBoundary(e)
		f.wrap(e, "mutantConst["+name+"]", change{"one more", more}, change{"one less", less})
	}
}

// sameAsBoundary says which changes of a constant do what the change of the
// comparison that it stands in does already, or nothing: no length is below 0.
func (f *finder) sameAsBoundary(e ast.Expr) (more, less bool) {
	p, ok := f.parent().(*ast.BinaryExpr)
	if !ok {
		return false, false
	}
	op := p.Op
	if p.X == e {
		op = map[token.Token]token.Token{
			token.LSS: token.GTR, token.GTR: token.LSS, token.LEQ: token.GEQ, token.GEQ: token.LEQ,
		}[op]
	}
	switch op {
	case token.LSS, token.GEQ:
		return true, false
	case token.GTR, token.LEQ:
		return false, true
	case token.EQL, token.NEQ:
		return false, f.text(e) == "0" && strings.HasPrefix(f.text(p.X), "len(")
	}
	return false, false
}

func (f *finder) binary(e *ast.BinaryExpr, decides bool) {
	switch e.Op {
	case token.LAND:
		f.short(e, "mutantAnd", "||")
		return
	case token.LOR:
		f.short(e, "mutantOr", "&&")
		return
	case token.EQL, token.NEQ:
		if !decides {
			f.negate(e)
		}
		return
	}
	op, known := operators[e.Op]
	basic, ok := f.info.TypeOf(e.X).Underlying().(*types.Basic)
	if !known || !ok || op.form == arithmetic && basic.Info()&types.IsNumeric == 0 {
		return
	}
	changes := []change{{f.text(e.X) + " " + op.turned.String() + " " + f.text(e.Y), false}}
	if op.form == comparison {
		changes = append(changes, change{"negated", decides})
	}
	f.wrap(e, "mutant"+op.name, changes...)
	f.replace(e, e.OpPos, len(e.Op.String()), ",")
}

// short mutates an operator that may not look at its right side.
func (f *finder) short(e *ast.BinaryExpr, name, turned string) {
	f.wrap(e, name, change{f.text(e.X) + " " + turned + " " + f.text(e.Y), false}, change{f.text(e.X), false}, change{f.text(e.Y), false})
	f.replace(e, e.OpPos, 2, ", func() bool { return (") // a line may end after a bracket, not after return
	f.insertAfter(e, e.Y, ")}")
}

func (f *finder) call(e *ast.CallExpr) {
	switch name := f.text(e.Fun); name {
	case "min", "max":
		if len(e.Args) == 2 {
			turned := map[string]string{"min": "max", "max": "min"}[name]
			f.rename(e, "mutant"+strings.ToUpper(name[:1])+name[1:], turned+f.text(e)[3:])
		}
	case "cmp.Compare", "bytes.Compare", "strings.Compare", "slices.Compare":
		f.wrap(e, "mutantOrder", change{"reversed", false}, change{"0", false})
	}
}

// result replaces what a function returns by nothing.
func (f *finder) result(e ast.Expr, p *ast.ReturnStmt) {
	t := f.info.TypeOf(e)
	if _, many := t.(*types.Tuple); many || f.nothing(e) {
		return
	}
	if basic, ok := t.Underlying().(*types.Basic); ok && basic.Info()&types.IsBoolean != 0 {
		switch e.(type) {
		case *ast.BinaryExpr, *ast.UnaryExpr: // they have mutants of their own
		default:
			f.wrap(e, "mutantIf", change{"true", false}, change{"false", false})
		}
		return
	}
	want := f.resultType(e, p)
	if want == nil {
		return
	}
	if name, known := f.typeName(want); known {
		f.wrap(e, "mutantZero["+name+"]", change{"nothing", false})
	}
}

// resultType is the type that the function around declares for e.
func (f *finder) resultType(e ast.Expr, p *ast.ReturnStmt) types.Type {
	for i := len(f.stack) - 1; i >= 0; i-- {
		var t types.Type
		switch n := f.stack[i].(type) {
		case *ast.FuncDecl:
			t = f.info.Defs[n.Name].Type()
		case *ast.FuncLit:
			t = f.info.TypeOf(n)
		default:
			continue
		}
		results := t.(*types.Signature).Results()
		for j, r := range p.Results {
			if r == e && len(p.Results) == results.Len() {
				return results.At(j).Type()
			}
		}
		return nil
	}
	return nil
}

// nothing says whether e is a zero value already.
func (f *finder) nothing(e ast.Expr) bool {
	switch text := f.text(e); {
	case text == "nil", strings.HasSuffix(text, ".Nil"):
		return true
	}
	literal, ok := e.(*ast.CompositeLit)
	return ok && len(literal.Elts) == 0
}

// typeName writes a type as the file can name it.
func (f *finder) typeName(t types.Type) (name string, known bool) {
	known = true
	name = types.TypeString(t, func(p *types.Package) string {
		if p == f.pkg {
			return ""
		}
		imported, ok := f.imports[p.Path()]
		known = known && ok
		return imported
	})
	return name, known && !strings.Contains(name, "untyped")
}

// importNames says by which name a file knows the packages that it imports.
func importNames(file *ast.File, pkg *types.Package) map[string]string {
	names := map[string]string{}
	for _, p := range pkg.Imports() {
		names[p.Path()] = p.Name()
	}
	used := map[string]string{}
	for _, spec := range file.Imports {
		from := strings.Trim(spec.Path.Value, `"`)
		used[from] = names[from]
		if used[from] == "" {
			used[from] = path.Base(from)
		}
		if spec.Name != nil {
			used[from] = spec.Name.Name
		}
	}
	return used
}
