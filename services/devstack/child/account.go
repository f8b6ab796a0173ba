package child

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// Unprivileged is the account for databases: whoever runs devstack, except that
// root becomes the user postgres or, where there is none, nobody, because
// PostgreSQL refuses to run as root.
func Unprivileged() (Account, error) {
	if os.Geteuid() != 0 {
		return Account{}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		if uidErr == nil && gidErr == nil {
			return Account{UID: uint32(uid), GID: uint32(gid), Switch: true}, nil
		}
	}
	return Account{}, fmt.Errorf("databases do not run as root, and this machine has neither a user postgres nor nobody")
}

// CanEnter reports whether the account can make dir its working folder, which
// takes the right to enter every folder above it too. It asks the kernel.
func (a Account) CanEnter(dir string) bool {
	cmd := a.Command("/bin/sh", "-c", ":")
	cmd.Dir = dir
	return cmd.Run() == nil
}

// Command is exec.Command under this account.
func (a Account) Command(path string, args ...string) *exec.Cmd {
	cmd := exec.Command(path, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential(a)}
	return cmd
}

// Own gives a file or folder to this account.
func (a Account) Own(path string) error {
	if !a.Switch {
		return nil
	}
	return os.Chown(path, int(a.UID), int(a.GID))
}

func credential(a Account) *syscall.Credential {
	if !a.Switch {
		return nil
	}
	return &syscall.Credential{Uid: a.UID, Gid: a.GID}
}
