// SPDX-License-Identifier: Apache-2.0

package reference

import "strings"

// The grammar of the distribution project's reference package, which has it as
// regular expressions: to compile those takes longer than all else that a command
// does with a name. The tests compare the two.

const (
	digits    = "0123456789"
	lowers    = "abcdefghijklmnopqrstuvwxyz"
	letters   = lowers + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	maxTag    = 128
	idLength  = 64
	separator = "._-" // of the words of a path
)

// only reports whether s is of these characters, and not empty.
func only(s, characters string) bool { return s != "" && strings.Trim(s, characters) == "" }

// IsFullID reports whether s is the ID of an image, in full.
func IsFullID(s string) bool { return len(s) == idLength && only(s, digits+"abcdef") }

func isDigest(s string) bool {
	hex, ok := strings.CutPrefix(s, "sha256:")
	return ok && IsFullID(hex)
}

func isTag(s string) bool {
	const word = letters + digits + "_"
	return s != "" && len(s) <= maxTag && only(s[:1], word) && only(s, word+".-")
}

func isPath(s string) bool {
	for component := range strings.SplitSeq(s, "/") {
		if !isComponent(component) {
			return false
		}
	}
	return true
}

// isComponent reports whether s is words of small letters and digits, with a dot,
// one or two underscores, or any number of dashes between two.
func isComponent(s string) bool {
	for {
		rest := strings.TrimLeft(s, lowers+digits)
		if rest == s {
			return false
		}
		if rest == "" {
			return true
		}
		s = strings.TrimLeft(rest, separator)
		switch between := rest[:len(rest)-len(s)]; between {
		case ".", "_", "__":
		default:
			if !only(between, "-") {
				return false
			}
		}
	}
}

// isDomain reports whether s is a registry: a name or an address, and maybe a port.
func isDomain(s string) bool {
	if address, ok := strings.CutPrefix(s, "["); ok {
		address, port, ok := strings.Cut(address, "]")
		return ok && only(address, digits+"abcdefABCDEF:") && (port == "" || port[0] == ':' && only(port[1:], digits))
	}
	name, port, hasPort := strings.Cut(s, ":")
	if hasPort && !only(port, digits) {
		return false
	}
	for part := range strings.SplitSeq(name, ".") {
		if !only(part, letters+digits+"-") || part[0] == '-' || part[len(part)-1] == '-' {
			return false
		}
	}
	return true
}
