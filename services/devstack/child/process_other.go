//go:build !linux

package child

import "syscall"

// attributes gives the program a process group of its own. Systems other than
// Linux have no signal for the parent's death: what a killed devstack leaves
// behind is found by its pid file at the next start.
func attributes(account Account, _ syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: credential(account)}
}
