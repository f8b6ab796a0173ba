package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// file is what was measured in one .go file.
type file struct {
	path         string // from the root, with slashes
	test         bool
	lines        int // all lines
	code         int // lines that hold a token
	comment      int // lines that hold a comment
	functions    []function
	structs      []structure
	undocumented []place
}

// function is one function or method with a body; literals count within it.
type function struct {
	place
	lines      int // from func to the closing brace, both included
	nesting    int // deepest if, for, switch or select within another; else-if adds nothing
	parameters int // named ones; receiver, context and the test's handle are left out: they say nothing
}

// structure is one named struct type.
type structure struct {
	place
	fields int
}

// place is a name and where it stands.
type place struct {
	name string
	at   string // path:line
}

// pack is all measured files of one folder.
type pack struct {
	folder string
	files  []file
}

// measureTree measures every hand-written .go file below root that git tracks or
// would track. Packages come in the order of their folders.
func measureTree(root string) ([]pack, error) {
	list := exec.Command("git", "-C", root, "ls-files", "-z", "-co", "--exclude-standard", "*.go")
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("list the files of %s: %w", root, err)
	}
	byFolder := map[string][]file{}
	for _, name := range strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		// A file that was deleted but not yet committed is still listed.
		if matches, _ := filepath.Glob(filepath.Join(root, name)); len(matches) == 0 {
			continue
		}
		measured, handwritten, err := measureFile(filepath.Join(root, name), name)
		if err != nil {
			return nil, err
		}
		if handwritten {
			folder := path.Dir(name)
			byFolder[folder] = append(byFolder[folder], measured)
		}
	}
	packages := make([]pack, 0, len(byFolder))
	for folder, files := range byFolder {
		packages = append(packages, pack{folder: folder, files: files})
	}
	slices.SortFunc(packages, func(a, b pack) int { return strings.Compare(a.folder, b.folder) })
	return packages, nil
}

// measureFile measures the file at full path on disk under its name in reports;
// handwritten is false for generated files, which are not measured.
func measureFile(full, name string) (measured file, handwritten bool, err error) {
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, full, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return file{}, false, fmt.Errorf("parse %s: %w", name, err)
	}
	if ast.IsGenerated(tree) {
		return file{}, false, nil
	}
	m := file{path: name, test: strings.HasSuffix(name, "_test.go"), lines: set.File(tree.Pos()).LineCount()}
	m.code, m.comment = countLines(set, tree)
	at := func(n ast.Node) string { return fmt.Sprintf("%s:%d", name, set.Position(n.Pos()).Line) }
	for _, declaration := range tree.Decls {
		switch d := declaration.(type) {
		case *ast.FuncDecl:
			m.addFunction(set, d, at(d))
		case *ast.GenDecl:
			m.addGeneral(d, at)
		}
	}
	return m, true, nil
}

// countLines counts the lines that hold code and those that hold a comment; a line
// with both counts in both.
func countLines(set *token.FileSet, tree *ast.File) (code, comment int) {
	codeLines, commentLines := map[int]bool{}, map[int]bool{}
	ast.Inspect(tree, func(n ast.Node) bool {
		switch n.(type) {
		case nil, *ast.Comment, *ast.CommentGroup:
			return false
		}
		codeLines[set.Position(n.Pos()).Line] = true
		codeLines[set.Position(n.End()-1).Line] = true
		return true
	})
	for _, group := range tree.Comments {
		for line := set.Position(group.Pos()).Line; line <= set.Position(group.End()).Line; line++ {
			commentLines[line] = true
		}
	}
	return len(codeLines), len(commentLines)
}

func (m *file) addFunction(set *token.FileSet, d *ast.FuncDecl, at string) {
	name := d.Name.Name
	reachable := d.Name.IsExported()
	if d.Recv != nil && len(d.Recv.List) == 1 {
		receiver := receiverName(d.Recv.List[0].Type)
		reachable = reachable && ast.IsExported(receiver)
		name = receiver + "." + name
	}
	if reachable && d.Doc == nil && !m.test {
		m.undocumented = append(m.undocumented, place{name, at})
	}
	if d.Body == nil {
		return
	}
	m.functions = append(m.functions, function{
		place:      place{name, at},
		lines:      set.Position(d.End()).Line - set.Position(d.Pos()).Line + 1,
		nesting:    nesting(d.Body),
		parameters: countParameters(d.Type.Params),
	})
}

// countParameters counts what a caller has to think of.
func countParameters(list *ast.FieldList) int {
	count := 0
	for _, field := range list.List {
		if !handle(field.Type) {
			count += max(1, len(field.Names))
		}
	}
	return count
}

// handle recognises context.Context, *testing.T and their like by their text.
func handle(e ast.Expr) bool {
	if star, ok := e.(*ast.StarExpr); ok {
		e = star.X
	}
	selector, ok := e.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	pkg, ok := selector.X.(*ast.Ident)
	return ok && (pkg.Name == "testing" || pkg.Name == "rapid" || pkg.Name == "context" && selector.Sel.Name == "Context")
}

func receiverName(e ast.Expr) string {
	switch t := e.(type) {
	case *ast.StarExpr:
		return receiverName(t.X)
	case *ast.IndexExpr:
		return receiverName(t.X)
	case *ast.IndexListExpr:
		return receiverName(t.X)
	case *ast.Ident:
		return t.Name
	default:
		return ""
	}
}

// addGeneral measures a type, const or var declaration. A comment over a group
// documents the whole group, and so does one at the end of a line.
func (m *file) addGeneral(d *ast.GenDecl, at func(ast.Node) string) {
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			m.addNames(d.Doc != nil || s.Doc != nil || s.Comment != nil, at(s), s.Name)
			if t, ok := s.Type.(*ast.StructType); ok {
				m.structs = append(m.structs, structure{place{s.Name.Name, at(s)}, t.Fields.NumFields()})
			}
		case *ast.ValueSpec:
			m.addNames(d.Doc != nil || s.Doc != nil || s.Comment != nil, at(s), s.Names...)
		}
	}
}

func (m *file) addNames(documented bool, at string, names ...*ast.Ident) {
	for _, name := range names {
		if name.IsExported() && !documented && !m.test {
			m.undocumented = append(m.undocumented, place{name.Name, at})
		}
	}
}
