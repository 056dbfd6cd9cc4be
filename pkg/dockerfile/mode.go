// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// modeChange is what --chmod makes of permission bits.
type modeChange func(mode uint32, dir bool) uint32

// parseMode reads --chmod: octal, or symbolic as in chmod(1). Without one the
// result is nil.
func parseMode(text string) (modeChange, error) {
	if text == "" {
		return nil, nil
	}
	if n, err := strconv.ParseUint(text, 8, 32); err == nil && n <= 0o7777 {
		return func(uint32, bool) uint32 { return uint32(n) }, nil
	}
	var steps []modeChange
	for _, clause := range strings.Split(text, ",") {
		f, ok := symbolicMode(clause)
		if !ok {
			return nil, fmt.Errorf("invalid chmod parameter: '%v'. it should be octal string and between 0 and 07777", text)
		}
		steps = append(steps, f)
	}
	return func(m uint32, dir bool) uint32 {
		for _, f := range steps {
			m = f(m, dir)
		}
		return m
	}, nil
}

// symbolicMode reads one clause: u+x, go-w, a=rX.
func symbolicMode(clause string) (modeChange, bool) {
	i := strings.IndexAny(clause, "+-=")
	if i < 0 {
		return nil, false
	}
	who := uint32(0)
	for _, c := range clause[:i] {
		n := slices.Index([]rune("ugoa"), c)
		if n < 0 {
			return nil, false
		}
		who |= []uint32{0o4700, 0o2070, 0o1007, 0o7777}[n]
	}
	if who == 0 {
		who = 0o7777
	}
	op, letters := clause[i], clause[i+1:]
	if strings.Trim(letters, "rwxXst") != "" {
		return nil, false
	}
	return func(m uint32, dir bool) uint32 {
		bits := modeBits(letters, dir || m&0o111 != 0) & who
		switch op {
		case '+':
			return m | bits
		case '-':
			return m &^ bits
		}
		return m&^(who&0o777) | bits
	}, true
}

// modeBits are the bits of letters for everybody; X counts with search.
func modeBits(letters string, search bool) uint32 {
	bits := uint32(0)
	for _, c := range letters {
		switch {
		case c == 'r':
			bits |= 0o444
		case c == 'w':
			bits |= 0o222
		case c == 'x', c == 'X' && search:
			bits |= 0o111
		case c == 's':
			bits |= 0o6000
		case c == 't':
			bits |= 0o1000
		}
	}
	return bits
}
