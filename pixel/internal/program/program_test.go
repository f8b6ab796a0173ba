package program

import "testing"

func TestJoin(t *testing.T) {
	t.Parallel()
	core := []byte("run($modules);\n")
	for want, modules := range map[string][][]byte{
		"($modules=>{run($modules);})([]);\n":    nil,
		"($modules=>{run($modules);})([a]);\n":   {[]byte("a")},
		"($modules=>{run($modules);})([a,b]);\n": {[]byte("a"), []byte("b")},
	} {
		if got := string(Join(core, modules...)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
