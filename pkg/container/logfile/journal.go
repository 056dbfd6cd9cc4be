// SPDX-License-Identifier: Apache-2.0

package logfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

const journalSocket = "/run/systemd/journal/socket"

// Journal sends lines to the journal of systemd, by its native protocol: one
// datagram with a field per line, see "Native Journal Protocol" of systemd.
type Journal struct {
	conn  *net.UnixConn
	attrs []byte // the fields that all lines have
}

// OpenJournal connects to the journal. fields come with every line.
func OpenJournal(fields [][2]string) (*Journal, error) { return openJournal(journalSocket, fields) }

func openJournal(socket string, fields [][2]string) (*Journal, error) {
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Net: "unixgram", Name: socket})
	if err != nil {
		return nil, fmt.Errorf("failed to initialize logging driver: journald is not enabled on this host: %w", err)
	}
	j := &Journal{conn: c}
	for _, f := range fields {
		j.attrs = appendField(j.attrs, f[0], []byte(f[1]))
	}
	return j, nil
}

// Close ends the connection.
func (j *Journal) Close() error { return j.conn.Close() }

// Stream returns one output: stderr has the priority of errors.
func (j *Journal) Stream(name string) io.WriteCloser {
	priority := "6"
	if name == "stderr" {
		priority = "3"
	}
	return &journalStream{j: j, head: appendField(bytes.Clone(j.attrs), "PRIORITY", []byte(priority))}
}

type journalStream struct {
	j    *Journal
	head []byte
	rest []byte
}

func (s *journalStream) Write(p []byte) (int, error) {
	s.rest = append(s.rest, p...)
	for {
		i := bytes.IndexByte(s.rest, '\n')
		switch {
		case i >= 0:
			if err := s.send(s.rest[:i], false); err != nil {
				return 0, err
			}
			s.rest = s.rest[i+1:]
		case len(s.rest) >= MaxLine:
			if err := s.send(s.rest[:MaxLine], true); err != nil {
				return 0, err
			}
			s.rest = s.rest[MaxLine:]
		default:
			s.rest = append([]byte(nil), s.rest...)
			return len(p), nil
		}
	}
}

func (s *journalStream) Close() error {
	if len(s.rest) == 0 {
		return nil
	}
	return s.send(s.rest, false)
}

func (s *journalStream) send(line []byte, partial bool) error {
	if len(line) == 0 && !partial {
		return nil // the journal keeps no empty messages
	}
	msg := bytes.Clone(s.head)
	if partial {
		msg = appendField(msg, "CONTAINER_PARTIAL_MESSAGE", []byte("true"))
	}
	msg = appendField(msg, "MESSAGE", line)
	_, err := s.j.conn.Write(msg)
	if errors.Is(err, unix.EMSGSIZE) || errors.Is(err, unix.ENOBUFS) {
		return s.j.sendFile(msg)
	}
	return err
}

// sendFile passes a message that is too long for a datagram in a sealed
// memory file.
func (j *Journal) sendFile(msg []byte) error {
	fd, err := unix.MemfdCreate("journal", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), "journal")
	defer f.Close()
	if _, err := f.Write(msg); err != nil {
		return err
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_WRITE|unix.F_SEAL_SEAL); err != nil {
		return os.NewSyscallError("fcntl F_ADD_SEALS", err)
	}
	_, _, err = j.conn.WriteMsgUnix(nil, unix.UnixRights(fd), nil)
	return err
}

// appendField appends NAME=value, or for a value with a line end the form with
// its length.
func appendField(b []byte, name string, value []byte) []byte {
	b = append(b, name...)
	if bytes.IndexByte(value, '\n') < 0 {
		b = append(append(b, '='), value...)
		return append(b, '\n')
	}
	b = append(b, '\n')
	b = binary.LittleEndian.AppendUint64(b, uint64(len(value)))
	return append(append(b, value...), '\n')
}
