// SPDX-License-Identifier: Apache-2.0

package squashfs

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ulikunitz/xz"
)

func TestUnLZ4(t *testing.T) {
	for _, c := range []struct {
		name, in, want string // an empty want is an error
	}{
		{"literals alone", "\x30abc", "abc"},
		{"a copy", "\x11a\x01\x00\x00", "aaaaaa"},
		{"a copy of what it makes", "\x20ab\x02\x00\x10c", "abababc"},
		{"a long run of literals", "\xf0\x02" + strings.Repeat("x", 17), strings.Repeat("x", 17)},
		{"a long copy", "\x1fa\x01\x00\x05\x00", strings.Repeat("a", 1+15+5+4)},
		{"nothing", "", ""},
		{"fewer literals than said", "\x40abc", ""},
		{"a copy from before the beginning", "\x11a\x02\x00\x00", ""},
		{"a copy from nowhere", "\x11a\x00\x00\x00", ""},
		{"half a distance", "\x11a\x01", ""},
		{"a length without an end", "\xf0\xff", ""},
		{"more literals than may be", "\xf0\xff\xff\xff\xff\xff\x00", ""},
		{"a longer copy than may be", "\x1fa\x01\x00" + strings.Repeat("\xff", 10) + "\x00\x00", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := unLZ4([]byte(c.in), 1000)
			if c.want == "" {
				if err == nil {
					t.Errorf("%q", got)
				}
				return
			}
			if err != nil || string(got) != c.want {
				t.Errorf("%q, %v, want %q", got, err, c.want)
			}
		})
	}
}

// xzBlock is as mksquashfs makes one, or with other settings.
func xzBlock(t *testing.T, data []byte, c xz.WriterConfig) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := c.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestUnXZ(t *testing.T) {
	data := bytes.Repeat([]byte("some text, "), 1000)
	good := xzBlock(t, data, xz.WriterConfig{DictCap: 1 << 20})
	if got, err := unXZ(good, len(data)); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if _, err := unXZ(good, len(data)-1); !errors.Is(err, errTooLong) {
		t.Errorf("one byte too many: %v", err)
	}
	if _, err := unXZ(xzBlock(t, data, xz.WriterConfig{DictCap: 64 << 20}), len(data)); err == nil || !strings.Contains(err.Error(), "other filters") {
		t.Errorf("a dictionary of 64 MiB: %v", err)
	}
	for n := range len(good) / 2 {
		if got, err := unXZ(good[:n], len(data)); err == nil {
			t.Errorf("%d bytes of %d give %d", n, len(good), len(got))
		}
	}
	for n := range good {
		spoiled := bytes.Clone(good)
		spoiled[n] ^= 0xff
		if got, err := unXZ(spoiled, len(data)); err == nil && len(got) > len(data) {
			t.Errorf("with byte %d another it gives %d", n, len(got))
		}
	}
}

func TestBothWays(t *testing.T) {
	blocks := map[string][]byte{"nothing": {}, "a byte": {7}, "text": bytes.Repeat([]byte("text "), 2000), "a block": bytes.Repeat([]byte{1, 2, 3}, blockSize/3)}
	for _, c := range []Compression{Gzip, Zstd} {
		small, err := compressor(c)
		if err != nil {
			t.Fatal(err)
		}
		large, err := decompressor(c)
		if err != nil {
			t.Fatal(err)
		}
		for name, data := range blocks {
			one, err := small(data)
			if err != nil {
				t.Fatal(err)
			}
			two, err := small(data) // nothing of the first is left
			if err != nil || !bytes.Equal(one, two) {
				t.Errorf("%d: %s twice: %v", c, name, err)
			}
			if len(one) == 0 {
				continue
			}
			if got, err := large(one, len(data)); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%d: %s: %d bytes of %d, %v", c, name, len(got), len(data), err)
			}
			if len(data) > 0 {
				if _, err := large(one, len(data)-1); err == nil {
					t.Errorf("%d: %s gives one byte more than it may", c, name)
				}
			}
			if _, err := large(one[:len(one)/2], len(data)); err == nil && len(data) > 0 {
				t.Errorf("%d: half of %s will do", c, name)
			}
		}
	}
}

func TestCompressionsThatAreNotKnown(t *testing.T) {
	for c, want := range map[Compression]string{0: "number 0", 2: "lzma", 3: "lzo", 7: "number 7"} {
		if _, err := decompressor(c); err == nil || !strings.Contains(err.Error(), want+" is not known") {
			t.Errorf("%d: %v", c, err)
		}
	}
	for _, c := range []Compression{0, XZ, LZ4} {
		if _, err := compressor(c); err == nil || err.Error() != fmt.Sprintf("compression %d is not written", c) {
			t.Errorf("%d: %v", c, err)
		}
	}
}
