// SPDX-License-Identifier: Apache-2.0

package systemd

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// plain are the characters of words that stand in a command line as they are,
// beside letters and digits. % and $ are: what they mean is left to systemd.
const plain = "-_./:=,+@%$~^!?*#{}()[]<>|&"

// Quote writes words as a command line of a unit (systemd.service(5)). Specifiers
// (%) and variables ($) in them stay; see [Literal].
func Quote(words ...string) string {
	list := make([]string, len(words))
	for i, w := range words {
		list[i] = quote(w)
	}
	return strings.Join(list, " ")
}

func quote(w string) string {
	special := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(plain, r))
	}
	if w != "" && !strings.ContainsFunc(w, special) {
		return w
	}
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(w); i++ {
		switch c := w[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\t':
			b.WriteString(`\t`)
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// Literal makes systemd take a word as it is, without specifiers and variables.
func Literal(word string) string {
	return strings.NewReplacer("%", "%%", "$", "$$").Replace(word)
}

// Split takes a value apart into its words: at white space that is not in quotes,
// with C's escapes (systemd.syntax(7), "quoting").
func Split(value string) ([]string, error) {
	var words []string
	var w strings.Builder
	in, quoted := false, byte(0)
	for i := 0; i < len(value); i++ {
		c := value[i]
		switch {
		case c == '\\':
			text, n, err := unescape(value[i+1:])
			if err != nil {
				return nil, fmt.Errorf("%w in %q", err, value)
			}
			w.WriteString(text)
			in, i = true, i+n
		case quoted != 0 && c == quoted:
			quoted = 0
		case quoted != 0:
			w.WriteByte(c)
		case c == '"' || c == '\'':
			in, quoted = true, c
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			if in {
				words = append(words, w.String())
				w.Reset()
			}
			in = false
		default:
			w.WriteByte(c)
			in = true
		}
	}
	if quoted != 0 {
		return nil, fmt.Errorf("unbalanced quotes in %q", value)
	}
	if in {
		words = append(words, w.String())
	}
	return words, nil
}

// unescape reads what follows a backslash, and says how long it was. What is no
// escape stands for itself, backslash and all: regular expressions in health
// checks are written so.
func unescape(s string) (text string, n int, err error) {
	if s == "" {
		return "", 0, errors.New("nothing after a backslash")
	}
	const names, means = `abfnrtv\"'s`, "\a\b\f\n\r\t\v\\\"' "
	if i := strings.IndexByte(names, s[0]); i >= 0 {
		return means[i : i+1], 1, nil
	}
	digits, base, skip := 0, 16, 1
	switch c := s[0]; {
	case c == 'x':
		digits = 2
	case c == 'u':
		digits = 4
	case c == 'U':
		digits = 8
	case c >= '0' && c <= '7':
		digits, base, skip = 3, 8, 0
	}
	if digits == 0 || len(s) < skip+digits {
		return `\` + s[:1], 1, nil
	}
	v, bad := strconv.ParseUint(s[skip:skip+digits], base, 32)
	switch {
	case bad != nil || v == 0 || digits > 3 && !utf8.ValidRune(rune(v)) || digits <= 3 && v > 255:
		return "", 0, fmt.Errorf(`no character \%s`, s[:skip+digits])
	case digits <= 3:
		return string([]byte{byte(v)}), skip + digits, nil
	}
	return string(rune(v)), skip + digits, nil
}
