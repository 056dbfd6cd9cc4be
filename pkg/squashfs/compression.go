// SPDX-License-Identifier: Apache-2.0

package squashfs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// Compression is how the blocks of a file system are compressed.
type Compression uint16

// Those that are known, by the format's numbers. Write knows the first and the last.
const (
	Gzip Compression = 1 // zlib, in fact
	XZ   Compression = 4
	LZ4  Compression = 5
	Zstd Compression = 6
)

var errTooLong = errors.New("a block gives more than it may")

// decompressor returns what undoes a block that gives at most so many bytes.
func decompressor(c Compression) (func(block []byte, most int) ([]byte, error), error) {
	switch c {
	case Gzip:
		return func(block []byte, most int) ([]byte, error) {
			r, err := zlib.NewReader(bytes.NewReader(block))
			if err != nil {
				return nil, err
			}
			return readMost(r, most)
		}, nil
	case XZ:
		return unXZ, nil
	case LZ4:
		return unLZ4, nil
	case Zstd:
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxBlock), zstd.WithDecoderMaxWindow(8<<20))
		if err != nil {
			return nil, err
		}
		return func(block []byte, most int) ([]byte, error) {
			out, err := d.DecodeAll(block, nil)
			if err == nil && len(out) > most {
				err = errTooLong
			}
			return out, err
		}, nil
	}
	name, ok := map[Compression]string{2: "lzma", 3: "lzo"}[c]
	if !ok {
		name = fmt.Sprintf("number %d", c)
	}
	return nil, fmt.Errorf("compression %s is not known; gzip, xz, lz4 and zstd are", name)
}

func readMost(r io.Reader, most int) ([]byte, error) {
	out, err := io.ReadAll(io.LimitReader(r, int64(most)+1))
	if err == nil && len(out) > most {
		err = errTooLong
	}
	return out, err
}

// unXZ takes blocks as mksquashfs makes them: one filter, LZMA2, whose dictionary is
// no larger than a block. The reader would take as much memory as is asked for.
func unXZ(block []byte, most int) ([]byte, error) {
	const (
		maxDict = 22 // 8 MiB
		header  = 13 // the block's flags, behind the stream's header and a length
	)
	if len(block) < 64 {
		return nil, io.ErrUnexpectedEOF
	}
	at := header + 1
	for flags := block[header]; flags&0xc0 != 0; flags <<= 1 { // a size, or both
		if flags&0x80 != 0 {
			_, n := binary.Uvarint(block[at:][:10])
			at += max(n, 1)
		}
	}
	if block[header]&0x3 != 0 || block[at] != 0x21 || block[at+1] != 1 || block[at+2] > maxDict {
		return nil, errors.New("xz with other filters than LZMA2")
	}
	r, err := xz.NewReader(bytes.NewReader(block))
	if err != nil {
		return nil, err
	}
	return readMost(r, most)
}

// unLZ4 undoes LZ4's block format (lz4_Block_format.md).
func unLZ4(in []byte, most int) ([]byte, error) {
	bad := errors.New("damaged lz4 block")
	var out []byte
	length := func(n int) (int, bool) { // 15 is continued
		for more := n == 15; more; {
			if len(in) == 0 || n > most {
				return 0, false
			}
			n, more = n+int(in[0]), in[0] == 255
			in = in[1:]
		}
		return n, true
	}
	for len(in) > 0 {
		token := in[0]
		in = in[1:]
		n, ok := length(int(token >> 4))
		if !ok || n > len(in) || len(out)+n > most {
			return nil, bad
		}
		out, in = append(out, in[:n]...), in[n:]
		if len(in) == 0 {
			return out, nil
		}
		if len(in) < 2 {
			return nil, bad
		}
		back := int(in[0]) | int(in[1])<<8
		in = in[2:]
		n, ok = length(int(token & 15))
		if n += 4; !ok || back == 0 || back > len(out) || len(out)+n > most {
			return nil, bad
		}
		for range n { // what is copied may be what it makes
			out = append(out, out[len(out)-back])
		}
	}
	return nil, bad
}

// compressor returns what makes a block smaller, if it can.
func compressor(c Compression) (func([]byte) ([]byte, error), error) {
	switch c {
	case Gzip:
		var out bytes.Buffer
		z := zlib.NewWriter(&out)
		return func(block []byte) ([]byte, error) {
			out.Reset()
			z.Reset(&out)
			_, err := z.Write(block)
			err = errors.Join(err, z.Close())
			return bytes.Clone(out.Bytes()), err
		}, nil
	case Zstd:
		e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(128<<10))
		if err != nil {
			return nil, err
		}
		return func(block []byte) ([]byte, error) { return e.EncodeAll(block, nil), nil }, nil
	}
	return nil, fmt.Errorf("compression %d is not written", c)
}
