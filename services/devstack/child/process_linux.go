package child

import "syscall"

// attributes gives the program a process group of its own, so that a Ctrl-C in
// the terminal reaches devstack alone, which then ends its children in order;
// and has the kernel send it its stop signal when devstack is gone, kill -9
// included. (The signal is tied to the thread that started the program. Go ends
// a thread only when a goroutine locked to it returns; devstack locks none.)
func attributes(account Account, stop syscall.Signal) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: stop}
	attr.Credential = credential(account)
	return attr
}
