// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc64"
	"io"
	"os"

	tarstorage "github.com/vbatts/tar-split/tar/storage"
	"golang.org/x/sys/unix"
)

// recorder is a tar stream on its way to who unpacks it. It keeps what is
// needed to make the very same bytes again, in tar-split's form: lines of JSON,
// of which some have pieces of the stream and the others the names of files
// whose contents stand there.
type recorder struct {
	in      *ahead
	scratch string   // a directory
	file    *os.File // without a name
	out     *bufio.Writer
	segment []byte
	crc     uint64
	payload bool // what is read now is in a file, too
	pos     int
	saved   map[int]savedContent // of files that the archive replaced
	spare   *os.File             // where those are
}

type savedContent struct{ off, size int64 }

const maxSegment = 1 << 20

func newRecorder(ctx context.Context, r io.Reader, scratch string) (*recorder, error) {
	f, err := nameless(scratch)
	if err != nil {
		return nil, err
	}
	return &recorder{in: newAhead(ctx, r), scratch: scratch, file: f, out: bufio.NewWriterSize(f, 256<<10)}, nil
}

// nameless opens a new file that is gone with its last descriptor.
func nameless(dir string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return os.NewFile(uintptr(fd), dir), nil
	}
	f, err := os.CreateTemp(dir, "nameless-")
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}

var crcTable = crc64.MakeTable(crc64.ISO) // tar-split's

func (rec *recorder) Read(p []byte) (int, error) {
	n, err := rec.in.Read(p)
	if rec.payload {
		rec.crc = crc64.Update(rec.crc, crcTable, p[:n])
		return n, err
	}
	rec.segment = append(rec.segment, p[:n]...)
	if len(rec.segment) >= maxSegment {
		if ferr := rec.flush(); ferr != nil {
			return n, ferr
		}
	}
	return n, err
}

func (rec *recorder) flush() error {
	if len(rec.segment) == 0 {
		return nil
	}
	err := rec.add(tarstorage.Entry{Type: tarstorage.SegmentType, Payload: rec.segment})
	rec.segment = rec.segment[:0]
	return err
}

func (rec *recorder) add(e tarstorage.Entry) error {
	e.Position = rec.pos
	rec.pos++
	return json.NewEncoder(rec.out).Encode(e)
}

// content notes that what copy reads is the content of the file name, and
// returns the note's place.
func (rec *recorder) content(name string, size int64, copy func() error) (int, error) {
	if err := rec.flush(); err != nil {
		return 0, err
	}
	rec.payload, rec.crc = true, 0
	err := copy()
	rec.payload = false
	if err != nil {
		return 0, err
	}
	var sum [8]byte
	binary.BigEndian.PutUint64(sum[:], rec.crc)
	e := tarstorage.Entry{Type: tarstorage.FileType, Size: size, Payload: sum[:]}
	e.SetName(name)
	at := rec.pos
	return at, rec.add(e)
}

// save keeps the content that was noted at pos: its file is about to go.
func (rec *recorder) save(pos int, f *os.File) error {
	if rec.spare == nil {
		var err error
		if rec.spare, err = nameless(rec.scratch); err != nil {
			return err
		}
		rec.saved = map[int]savedContent{}
	}
	off, err := rec.spare.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	n, err := io.Copy(rec.spare, f)
	rec.saved[pos] = savedContent{off, n}
	return err
}

// finish reads the padding behind the end marker, which belongs to the stream,
// and returns the record.
func (rec *recorder) finish() (*os.File, error) {
	defer rec.in.Close()
	_, err := io.Copy(io.Discard, rec)
	if err = errors.Join(err, rec.flush(), rec.out.Flush()); err == nil && rec.saved != nil {
		err = rec.putBack()
	}
	if err != nil {
		return nil, errors.Join(err, rec.discard())
	}
	if rec.spare != nil {
		rec.spare.Close()
	}
	return rec.file, nil
}

func (rec *recorder) discard() error {
	rec.in.Close()
	if rec.spare != nil {
		rec.spare.Close()
	}
	return rec.file.Close()
}

// putBack writes the record again, with the contents that were saved in it.
func (rec *recorder) putBack() error {
	old := rec.file
	defer old.Close()
	if _, err := old.Seek(0, io.SeekStart); err != nil {
		return err
	}
	var err error
	if rec.file, err = nameless(rec.scratch); err != nil {
		return err
	}
	rec.out.Reset(rec.file)
	rec.pos = 0
	lines := &recordReader{json.NewDecoder(bufio.NewReader(old))}
	for {
		e, err := lines.Next()
		if err == io.EOF {
			return rec.out.Flush()
		}
		if err != nil {
			return err
		}
		if part, ok := rec.saved[e.Position]; ok {
			err = rec.putContent(part)
		} else {
			err = rec.add(*e)
		}
		if err != nil {
			return err
		}
	}
}

func (rec *recorder) putContent(part savedContent) error {
	in := io.NewSectionReader(rec.spare, part.off, part.size)
	buf := make([]byte, maxSegment)
	for {
		n, err := in.Read(buf)
		if n > 0 {
			if err := rec.add(tarstorage.Entry{Type: tarstorage.SegmentType, Payload: buf[:n]}); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// recordReader reads a record. Unlike tar-split's own it takes names that stand
// twice.
type recordReader struct{ lines *json.Decoder }

func (r *recordReader) Next() (*tarstorage.Entry, error) {
	var e tarstorage.Entry
	err := r.lines.Decode(&e)
	return &e, err
}
