// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"coracle/pkg/hint"
)

// New makes a network namespace with its loopback up. It lives as long as
// the returned file, or a process in it.
//
// Preconditions: the process is uid 0 inside a user namespace.
func New() (*os.File, error) {
	ns, err := With(func() error {
		if err := linkUp("lo"); err != nil {
			return err
		}
		// Docker's: a container binds any port, and may ping. /proc/sys/net
		// shows the namespace of the thread that looks. Both are comforts, and
		// a /proc that is read-only is no reason to give up.
		_ = os.WriteFile("/proc/sys/net/ipv4/ip_unprivileged_port_start", []byte("0"), 0)
		groups, _ := os.ReadFile("/proc/self/gid_map")
		_ = os.WriteFile("/proc/sys/net/ipv4/ping_group_range", []byte(pingGroups(string(groups))), 0)
		return nil
	})
	if err != nil {
		err = fmt.Errorf("create network namespace: %w", err)
		if errors.Is(err, unix.ENOSPC) {
			err = hint.About(hint.NetworkNamespace, err, "the host allows no more net namespaces; the administrator can: sysctl user.max_net_namespaces=15000; until then: --network host")
		}
		return nil, err
	}
	return ns, nil
}

// pingGroups is a range for net.ipv4.ping_group_range (icmp(7)) that holds as many
// groups of a user namespace as may be, and its root's in any case. It has two ends
// that the namespace has, and goes by the parent's numbers between them.
func pingGroups(gidMap string) string {
	var root, last, lastHost uint64
	for line := range strings.Lines(gidMap) {
		var inside, host, size uint64
		if _, err := fmt.Sscan(line, &inside, &host, &size); err != nil || size == 0 {
			continue
		}
		if inside == 0 {
			root = host
		}
		if inside > math.MaxInt32 { // the kernel takes no more
			continue
		}
		size = min(size, math.MaxInt32-inside+1)
		if end := host + size - 1; end >= lastHost {
			last, lastHost = inside+size-1, end
		}
	}
	if lastHost < root {
		last = 0
	}
	return fmt.Sprintf("0 %d", last)
}

// With runs f in a new network namespace and returns that. The thread is thrown
// away with its goroutine: it is in the wrong namespace for anything else.
func With(f func() error) (*os.File, error) {
	return OnThread(func() (*os.File, error) {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return nil, os.NewSyscallError("unshare", err)
		}
		if f != nil {
			if err := f(); err != nil {
				return nil, err
			}
		}
		return os.Open("/proc/thread-self/ns/net")
	})
}

// In runs f on a thread in ns.
func In[T any](ns *os.File, f func() (T, error)) (T, error) {
	return OnThread(func() (T, error) {
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			var none T
			return none, os.NewSyscallError("setns", err)
		}
		return f()
	})
}

// OnThread runs f on a thread of its own, which may change its namespaces: it ends
// with f.
func OnThread[T any](f func() (T, error)) (T, error) {
	type result struct {
		v   T
		err error
	}
	done := make(chan result, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends here
		v, err := f()
		done <- result{v, err}
	}()
	r := <-done
	return r.v, r.err
}

// linkUp is ip link set NAME up, in the current thread's namespace.
func linkUp(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	req.SetUint16(unix.IFF_UP)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCSIFFLAGS, uintptr(unsafe.Pointer(req)))
	if errno != 0 {
		return os.NewSyscallError("set "+name+" up", errno)
	}
	return nil
}
