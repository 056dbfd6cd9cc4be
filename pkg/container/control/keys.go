// SPDX-License-Identifier: Apache-2.0

package control

import (
	"fmt"
	"io"
	"strings"
)

// DetachKeys are those that leave a process, unless others are asked for.
const DetachKeys = "ctrl-p,ctrl-q"

// CopyInput copies from to to until either ends, and reports whether the
// detach keys were typed. With a terminal a prefix of them is held back until
// the next key decides.
func CopyInput(to io.Writer, from io.Reader, tty bool, keys []byte) (detach bool) {
	if !tty || len(keys) == 0 {
		_, _ = io.Copy(to, from)
		return false
	}
	buf := make([]byte, 4096)
	matched := 0
	for {
		n, err := from.Read(buf)
		out := make([]byte, 0, n+len(keys))
		for _, b := range buf[:n] {
			if b == keys[matched] {
				if matched++; matched == len(keys) {
					_, _ = to.Write(out)
					return true
				}
				continue
			}
			out = append(out, keys[:matched]...)
			if matched = 0; b == keys[0] {
				matched = 1
				continue
			}
			out = append(out, b)
		}
		if err != nil { // no key will decide any more
			out = append(out, keys[:matched]...)
		}
		if len(out) > 0 {
			if _, werr := to.Write(out); werr != nil {
				return false
			}
		}
		if err != nil {
			return false
		}
	}
}

// ParseDetachKeys reads a key sequence such as ctrl-p,ctrl-q.
func ParseDetachKeys(s string) ([]byte, error) {
	var keys []byte
	for _, k := range strings.Split(s, ",") {
		name, isCtrl := strings.CutPrefix(k, "ctrl-")
		switch {
		case k == "DEL":
			keys = append(keys, 0x7f)
		case !isCtrl && len(k) == 1:
			keys = append(keys, k[0])
		case isCtrl && len(name) == 1 && name[0] >= 'a' && name[0] <= 'z':
			keys = append(keys, name[0]-'a'+1)
		case isCtrl && len(name) == 1 && strings.Contains(`@[\]^_`, name):
			keys = append(keys, name[0]-'@')
		default:
			return nil, fmt.Errorf("invalid detach keys (%s): Unknown character: '%s'", s, k)
		}
	}
	return keys, nil
}
