// SPDX-License-Identifier: Apache-2.0

package paper

import (
	"bytes"

	"golang.org/x/sys/unix"
)

// errUnseen: a process's memory is closed to this one, as that of a program which
// may be executed and not read.
const errUnseen = unix.EPERM

// read fills mem from a process's memory.
func (c *call) read(at uintptr, mem []byte) error {
	n, err := unix.ProcessVMReadv(c.pid, local(mem), remote(at, len(mem)), 0)
	switch {
	case err == unix.EPERM:
		return errUnseen
	case err != nil || n != len(mem):
		return unix.EFAULT
	}
	return nil
}

// write puts bytes where a process asked for them. What is beyond the end of its
// memory is an error, after the part that is not.
func (c *call) write(at uintptr, b []byte) error {
	if !c.valid() {
		return unix.EINTR
	}
	if n, err := unix.ProcessVMWritev(c.pid, local(b), remote(at, len(b)), 0); err != nil || n != len(b) {
		return unix.EFAULT
	}
	return nil
}

func local(b []byte) []unix.Iovec {
	v := unix.Iovec{Base: &b[0]}
	v.SetLen(len(b))
	return []unix.Iovec{v}
}

func remote(at uintptr, n int) []unix.RemoteIovec { return []unix.RemoteIovec{{Base: at, Len: n}} }

// text reads a path from the process's memory: of most a first small part has all.
func (c *call) text(at uintptr) (string, error) {
	const page, few = 4096, 256
	if c.path == nil {
		c.path = make([]byte, unix.PathMax)
	}
	// What is on the page after the text's end may be nobody's.
	for got := 0; got < len(c.path); {
		want := min(len(c.path)-got, page-int((at+uintptr(got))%page))
		if got == 0 {
			want = min(want, few)
		}
		part := c.path[got : got+want]
		switch n, err := unix.ProcessVMReadv(c.pid, local(part), remote(at+uintptr(got), want), 0); {
		case err == unix.EPERM:
			return "", errUnseen
		case err != nil || n == 0:
			return "", unix.EFAULT
		default:
			if end := bytes.IndexByte(part[:n], 0); end >= 0 {
				return string(c.path[:got+end]), nil
			}
			got += n
		}
	}
	return "", unix.ENAMETOOLONG
}
