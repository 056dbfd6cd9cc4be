// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"
)

// silence is how long a connection may be silent between two questions.
const silence = 30 * time.Second

// Serve answers the questions of one connection (RFC 7766): from the names, else
// from a server of the host. The connection stays the caller's to close.
func (r *Resolver) Serve(guest net.Conn) {
	server := tcpServer{r: r}
	defer server.close()
	for {
		_ = guest.SetDeadline(time.Now().Add(silence))
		question, err := readFramed(guest)
		if err != nil {
			return
		}
		answer := r.own(question)
		if answer == nil {
			answer = server.ask(question)
		}
		if answer == nil || writeFramed(guest, answer) != nil {
			return
		}
	}
}

// tcpServer is a connection to a server of the host, once there is a question
// for it.
type tcpServer struct {
	r    *Resolver
	conn *net.TCPConn
	stop func() bool
}

func (s *tcpServer) ask(question []byte) []byte {
	for again := true; again && len(question) >= headerSize; {
		again = s.conn != nil // it may have been closed while it was idle
		if s.conn == nil {
			conn, err := s.r.Dial()
			if err != nil {
				break
			}
			s.conn, s.stop = conn, context.AfterFunc(s.r.closing, func() { conn.Close() })
		}
		answer, err := askFramed(s.conn, question)
		if err == nil {
			return answer
		}
		s.close()
	}
	return failure(question)
}

func (s *tcpServer) close() {
	if s.conn != nil {
		s.stop()
		s.conn.Close()
		s.conn = nil
	}
}

func askFramed(server *net.TCPConn, question []byte) ([]byte, error) {
	if err := server.SetDeadline(time.Now().Add(tries)); err != nil {
		return nil, err
	}
	if err := writeFramed(server, question); err != nil {
		return nil, err
	}
	answer, err := readFramed(server)
	if err == nil && !answers(answer, question) {
		err = fmt.Errorf("ask for a name: the answer is to another question")
	}
	return answer, err
}

// readFramed reads a message with its length before it.
func readFramed(r io.Reader) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	message := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(r, message)
	return message, err
}

func writeFramed(w io.Writer, message []byte) error {
	if len(message) > 1<<16-1 {
		return fmt.Errorf("send a name: %d bytes are too many", len(message))
	}
	_, err := w.Write(append(binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(message)), uint16(len(message))), message...))
	return err
}
