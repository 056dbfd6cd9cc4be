// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"fmt"
	"regexp"
	"strings"
)

// longest is what a label of the DNS may have (RFC 1123).
const longest = 63

// label makes a text a name that objects, containers and services may have: a DNS
// label that begins with a letter (RFC 1035), which is what a Service needs. It is
// empty where nothing of the text can stand in one.
func label(text string) string {
	name := hostLabel(text)
	if name != "" && name[0] <= '9' {
		name = "x" + name
	}
	return shorten(name)
}

// hostLabel may begin with a digit, as what a host is called (RFC 1123).
func hostLabel(text string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(text) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			b.WriteRune(r)
		} else {
			b.WriteByte('-')
		}
	}
	return shorten(strings.Trim(b.String(), "-"))
}

func shorten(name string) string { return strings.TrimRight(name[:min(len(name), longest)], "-") }

// isKey reports whether a text may be a key of a ConfigMap or Secret.
func isKey(text string) bool { return len(text) <= 253 && keyForm(text) == text && text != "" }

// keyForm replaces what a key may not have.
func keyForm(text string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r == '.':
			return r
		}
		return '-'
	}, text)
	if strings.HasPrefix(name, "..") || name == "." {
		return "x" + name
	}
	return name
}

// An annotation's name has a part that is a DNS name before a slash, or none.
func isAnnotation(name string) bool {
	prefix, rest, slash := strings.Cut(name, "/")
	if !slash {
		prefix, rest = "", name
	} else if !isDomain(strings.ToLower(prefix)) {
		return false
	}
	return isQualified(rest)
}

// isDomain reports whether a text is a name of the DNS, of labels in small letters.
func isDomain(name string) bool {
	for part := range strings.SplitSeq(name, ".") {
		if part == "" || hostLabel(part) != part {
			return false
		}
	}
	return len(name) <= 253
}

func isQualified(name string) bool {
	return len(name) <= longest && regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$`).MatchString(name)
}

// literal keeps Kubernetes from replacing $(NAME) in a text: there, $$ is a dollar.
func literal(text string) string {
	var b strings.Builder
	for i := range len(text) {
		b.WriteByte(text[i])
		if text[i] == '$' && i+1 < len(text) && (text[i+1] == '$' || text[i+1] == '(') {
			b.WriteByte('$')
		}
	}
	return b.String()
}

func literals(list []string) (all []string) {
	for _, text := range list {
		all = append(all, literal(text))
	}
	return all
}

// cpu is a number of billionths of a CPU as a quantity: in thousandths, not less.
func cpu(nano int64) string {
	milli := (nano + 999_999) / 1_000_000
	if milli%1000 == 0 {
		return fmt.Sprint(milli / 1000)
	}
	return fmt.Sprintf("%dm", milli)
}

// size is a number of them as a quantity.
func size(n int64) string {
	for _, unit := range []struct {
		name string
		size int64
	}{{"Gi", 1 << 30}, {"Mi", 1 << 20}, {"Ki", 1 << 10}} {
		if n >= unit.size && n%unit.size == 0 {
			return fmt.Sprint(n/unit.size, unit.name)
		}
	}
	return fmt.Sprint(n)
}
