// Package freeport finds loopback TCP ports for servers that are started by somebody else,
// and have to be told one: by tests, and by devstack.
//
// That nobody listens on a port now is not enough: two who look before either's server
// listens find the same one. A port that was given is therefore held, by a UDP socket of the
// same number, which is in nobody's way: no server here speaks UDP. The kernel keeps the
// account of these for every process of the network that the servers are in, and drops what
// a process held when it ends, kill -9 included.
//
// Who does not ask here may still take a port that was given, so ports lie between 20000 and
// 32000: below those that systems give to outgoing connections and to who listens on port 0
// (from 32768 on Linux, 49152 elsewhere), and above those of well-known servers.
package freeport

import (
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
)

// Ports are from lowest up to and without highest.
const lowest, highest = 20000, 32000

// tries is how many ports are looked at; with half of them taken, none of so many would be
// free less than once in 10^30 times.
const tries = 100

var (
	mu sync.Mutex
	// held are the ports of this process, until it ends. A socket that nobody refers to
	// would be closed.
	held = map[int]*net.UDPConn{}
)

// Port is a loopback TCP port, from 20000 up to and without 32000, that nobody listens on.
// While this process lives, Port does not return it again, here or in another process. It
// fails when none of 100 ports is free.
func Port() (int, error) {
	mu.Lock()
	defer mu.Unlock()
	for range tries {
		if port := lowest + rand.IntN(highest-lowest); held[port] == nil && hold(port) {
			return port, nil
		}
	}
	return 0, errors.New("find a free port: none of 100 between 20000 and 32000 is")
}

// Keep tells whether a port that was found earlier, by this process or one that has ended,
// can be used again: nobody listens on it, and no other process holds it. From then on Port
// does not return it, as if it had found it.
func Keep(port int) bool {
	mu.Lock()
	defer mu.Unlock()
	if held[port] != nil {
		return silent(port)
	}
	return hold(port)
}

// hold holds a port that this process does not, if nobody listens on it.
func hold(port int) bool {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: loopback[:], Port: port})
	if err != nil {
		return false
	}
	// Who holds a port may be about to have it listened on, so this comes second.
	if !silent(port) {
		_ = c.Close()
		return false
	}
	held[port] = c
	return true
}

// silent tells whether nobody listens on a port. It does not listen itself: a program that is
// being started has a copy of each open socket until it is under way, so the port would be
// taken for longer than meant. The lock keeps programs from being started meanwhile; a socket
// that is bound alone is in the way of those servers only that do not set SO_REUSEADDR.
func silent(port int) bool {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	s, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		return false
	}
	defer syscall.Close(s)
	// Without it a connection that has ended would count for a minute.
	if err := syscall.SetsockoptInt(s, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return false
	}
	return syscall.Bind(s, &syscall.SockaddrInet4{Port: port, Addr: loopback}) == nil
}

var loopback = [4]byte{127, 0, 0, 1}
