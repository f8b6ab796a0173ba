// Package program puts the script of a page together from its built parts. It is pure.
package program

import "bytes"

// The core is a function of its modules; these are what surrounds its text and that
// of the list that it is called with.
const (
	before = "($modules=>{"
	after  = "})(["
	end    = "]);\n"
)

// Join returns the program of a core, which names its modules $modules, with modules,
// each of which is an expression. The order of modules is that in which they run.
func Join(core []byte, modules ...[]byte) []byte {
	var out bytes.Buffer
	out.WriteString(before)
	out.Write(bytes.TrimSpace(core))
	out.WriteString(after)
	out.Write(bytes.Join(modules, []byte(",")))
	out.WriteString(end)
	return out.Bytes()
}
