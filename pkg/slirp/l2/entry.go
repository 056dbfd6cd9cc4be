// SPDX-License-Identifier: Apache-2.0

package l2

import (
	"cmp"
	"errors"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/wire"
)

// A member asks for another's wire by a datagram of one byte with a socket for
// the answer, which is one byte with the wire, or without when there is none.
var wireRequest = []byte{'W'}

// askForWire asks the member that conn leads to for its wire. The file, on which
// the answer comes, is the caller's to close.
func askForWire(conn *net.UnixConn) (*os.File, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	ours := os.NewFile(uintptr(pair[0]), "answer")
	err = ask(conn, pair[1])
	unix.Close(pair[1])
	if err != nil {
		ours.Close()
		return nil, err
	}
	return ours, nil
}

// AskForWire asks the member that conn leads to for its wire, and waits for the
// answer: a packet socket, the caller's to close.
func AskForWire(conn *net.UnixConn) (int, error) {
	answer, err := askForWire(conn)
	if err != nil {
		return -1, err
	}
	defer answer.Close()
	fd := receiveWire(answer)
	if fd < 0 {
		return -1, errors.New("ask for wire: the member gives none")
	}
	return fd, nil
}

// receiveWire waits for the answer: a packet socket that puts frames on the wire of
// the member that was asked, the caller's to close, or -1. It ends with the file,
// or with who was asked.
func receiveWire(answer *os.File) int {
	raw, err := answer.SyscallConn()
	if err != nil {
		return -1
	}
	buf, oob := make([]byte, 1), make([]byte, unix.CmsgSpace(4))
	var oobn int
	var rerr error
	err = raw.Read(func(fd uintptr) bool {
		_, oobn, _, _, rerr = unix.Recvmsg(int(fd), buf, oob, unix.MSG_CMSG_CLOEXEC)
		return rerr != unix.EAGAIN
	})
	if err != nil || rerr != nil {
		return -1
	}
	return rightIn(oob[:oobn])
}

// ask sends a request. UnixConn.WriteMsgUnix refuses connected sockets.
func ask(conn *net.UnixConn, answer int) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	_ = conn.SetWriteDeadline(time.Now().Add(peerWait))
	var serr error
	err = raw.Write(func(fd uintptr) bool {
		serr = unix.Sendmsg(int(fd), wireRequest, unix.UnixRights(answer), nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		return serr != unix.EAGAIN
	})
	return cmp.Or(err, serr)
}

// giveWire answers a request, with entry unless that is -1.
func giveWire(oob []byte, entry int) {
	to := rightIn(oob)
	if to < 0 {
		return
	}
	defer unix.Close(to)
	var rights []byte
	if entry >= 0 {
		rights = unix.UnixRights(entry)
	}
	_ = unix.Sendmsg(to, wireRequest, rights, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
}

// rightIn is the one descriptor in a control message, or -1: what else came is
// closed, for a member may send as many as there is room for.
func rightIn(oob []byte) int {
	fds, err := wire.Descriptors(oob)
	if err == nil && len(fds) == 1 {
		return fds[0]
	}
	for _, fd := range fds {
		unix.Close(fd)
	}
	return -1
}
