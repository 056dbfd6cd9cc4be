// SPDX-License-Identifier: Apache-2.0

package cdi

import (
	"fmt"
	"strings"
)

// SplitName takes a qualified name apart: vendor.com/class=device. It is not ok
// when the text has not that form, as a path has not; which letters are allowed is
// checked where names are made, in the files.
func SplitName(s string) (kind, device string, ok bool) {
	kind, device, ok = strings.Cut(s, "=")
	vendor, class, slash := strings.Cut(kind, "/")
	ok = ok && slash && vendor != "" && class != "" && device != "" && !strings.Contains(class, "/")
	return kind, device, ok
}

// IsName tells a qualified name from the path of a node.
func IsName(s string) bool {
	_, _, ok := SplitName(s)
	return ok
}

const (
	longestVendor = 253 // of a DNS name
	longestClass  = 63
)

// checkKind checks vendor.com/class, as in SPEC.md, "Kind".
func checkKind(kind string) error {
	vendor, class, ok := strings.Cut(kind, "/")
	switch {
	case !ok:
		return fmt.Errorf("kind %q is not vendor/class", kind)
	case !isLabel(vendor, isLetter, "_-.") || len(vendor) > longestVendor:
		return fmt.Errorf("kind %q: the vendor is not a name", kind)
	case !isLabel(class, isLetter, "_-.") || len(class) > longestClass:
		return fmt.Errorf("kind %q: the class is not a name", kind)
	}
	return nil
}

func checkDevice(name string) error {
	if !isLabel(name, isAlphanumeric, "_-.:") {
		return fmt.Errorf("device %q: not a name", name)
	}
	return nil
}

// isLabel reports whether s begins with what first allows, ends with a letter or
// digit, and has those and some others between.
func isLabel(s string, first func(byte) bool, others string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlphanumeric(c) && !strings.Contains(others, string(rune(c))) {
			return false
		}
	}
	return s != "" && first(s[0]) && isAlphanumeric(s[len(s)-1])
}

func isLetter(c byte) bool       { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isAlphanumeric(c byte) bool { return isLetter(c) || c >= '0' && c <= '9' }
