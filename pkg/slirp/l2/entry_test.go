// SPDX-License-Identifier: Apache-2.0

package l2

import (
	"io"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestRightInTakesOneDescriptor: there is room for two, and who sends more than was
// agreed does not fill our table of descriptors.
func TestRightInTakesOneDescriptor(t *testing.T) {
	if fd := rightIn(nil); fd != -1 {
		t.Errorf("of nothing: %d", fd)
	}
	if fd := rightIn([]byte{255, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0}); fd != -1 {
		t.Errorf("of no control message: %d", fd)
	}
	for n := 1; n <= 2; n++ {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		fd := rightIn(received(t, int(w.Fd()), n))
		w.Close()
		if (fd >= 0) != (n == 1) {
			t.Errorf("of %d descriptors: %d", n, fd)
		}
		if fd >= 0 {
			if _, err := unix.Write(fd, []byte("x")); err != nil {
				t.Error(err)
			}
			unix.Close(fd)
		}
		if text, err := io.ReadAll(r); len(text) != 2-n || err != nil { // it ends, for all copies are closed
			t.Errorf("%d descriptors: %q, %v", n, text, err)
		}
		r.Close()
	}
}

// received are the control messages in which fd came n times, as a switch has room
// for them.
func received(t *testing.T, fd, n int) []byte {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	if err := unix.Sendmsg(pair[0], wireRequest, unix.UnixRights([]int{fd, fd}[:n]...), nil, 0); err != nil {
		t.Fatal(err)
	}
	oob := make([]byte, unix.CmsgSpace(4))
	_, oobn, _, _, err := unix.Recvmsg(pair[1], make([]byte, 1), oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	return oob[:oobn]
}
