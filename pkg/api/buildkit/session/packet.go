// SPDX-License-Identifier: Apache-2.0

package session

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"coracle/pkg/api/buildkit/pb"
)

// kind is a type of packets.
type kind int64

// Kinds of packets.
const (
	packetStat kind = iota // a file is there; without one: those were all
	packetRequest
	packetData // of a file; none: that was all
	packetEnd
	packetError
)

// packet is fsutil.types.Packet.
type packet struct {
	kind kind
	stat *stat
	id   uint32 // of a file: its number among those that were told of
	data []byte
}

// stat is fsutil.types.Stat, without what does not count here.
type stat struct {
	path  string
	mode  fs.FileMode // Go's bits
	size  int64
	mtime int64 // ns since 1970
	link  string
}

// maxPath is Linux' PATH_MAX.
const maxPath = 4096

func (p packet) encode() []byte {
	return pb.Encode(func(m *pb.Message) {
		m.Number(1, int64(p.kind))
		if p.stat != nil {
			m.Message(2, p.stat.encode)
		}
		m.Number(3, int64(p.id))
		m.Data(4, p.data)
	})
}

func (s *stat) encode(m *pb.Message) {
	m.Text(1, s.path)
	m.Number(2, int64(s.mode))
	m.Number(5, s.size)
	m.Number(6, s.mtime)
	m.Text(7, s.link)
}

// readPacket takes a packet apart. Its data lie in b.
func readPacket(b []byte) (p packet, err error) {
	err = pb.Read(b, func(f pb.Field) (err error) {
		switch f.Number {
		case 1:
			p.kind = kind(f.Int())
		case 2:
			p.stat, err = readStat(f.Data())
		case 3:
			p.id = uint32(f.Int())
		case 4:
			p.data = f.Data()
		}
		return err
	})
	return p, err
}

func readStat(b []byte) (*stat, error) {
	s := &stat{}
	err := pb.Read(b, func(f pb.Field) error {
		switch f.Number {
		case 1:
			s.path = f.Text()
		case 2:
			s.mode = fs.FileMode(f.Int())
		case 5:
			s.size = f.Int()
		case 6:
			s.mtime = f.Int()
		case 7:
			s.link = f.Text()
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s, s.check()
}

// check refuses what no file of a directory can be.
func (s *stat) check() error {
	if s.path == "." || !fs.ValidPath(s.path) || len(s.path) > maxPath || strings.ContainsRune(s.path, 0) {
		return fmt.Errorf("receive files: invalid path %q", s.path)
	}
	if s.size < 0 || len(s.link) > maxPath || strings.ContainsRune(s.link, 0) {
		return fmt.Errorf("receive files: %s: %w", s.path, errors.ErrUnsupported)
	}
	if s.mode.IsRegular() && s.link != "" && (s.link == "." || !fs.ValidPath(s.link)) {
		return fmt.Errorf("receive files: %s: invalid link to %q", s.path, s.link)
	}
	return nil
}
