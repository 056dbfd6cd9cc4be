// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bufio"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/urfave/cli/v2"
)

// ReadKeyFile reads lines of KEY=VALUE, or KEY alone for lookup's value, as
// Docker does: no quotes, no escapes, # only at the beginning of a line.
func ReadKeyFile(name string, lookup func(string) (string, bool)) ([]string, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, Errorf("%v", err)
	}
	defer f.Close()
	var list []string
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if n == 1 {
			line = strings.TrimPrefix(line, "\ufeff")
		}
		if !utf8.ValidString(line) {
			return nil, Errorf("invalid env file (%s): invalid utf8 bytes at line %d: %v", name, n, []byte(line))
		}
		line = strings.TrimLeftFunc(line, unicode.IsSpace)
		if line == "" || line[0] == '#' {
			continue
		}
		key, _, set := strings.Cut(line, "=")
		if strings.ContainsFunc(key, unicode.IsSpace) {
			return nil, Errorf("invalid env file (%s): variable '%s' contains whitespaces", name, key)
		}
		if key == "" {
			return nil, Errorf("invalid env file (%s): no variable name on line '%s'", name, line)
		}
		if !set {
			v, ok := lookup(key)
			if !ok {
				continue
			}
			line += "=" + v
		}
		list = append(list, line)
	}
	return list, lines.Err()
}

// Labels reads --label-file and then --label.
func Labels(c *cli.Context) (map[string]string, error) {
	var list []string
	for _, file := range c.StringSlice("label-file") {
		lines, err := ReadKeyFile(file, func(string) (string, bool) { return "", true })
		if err != nil {
			return nil, err
		}
		list = append(list, lines...)
	}
	all := map[string]string{}
	for _, kv := range append(list, c.StringSlice("label")...) {
		k, v, _ := strings.Cut(kv, "=")
		if k == "" {
			return nil, Errorf("invalid label format: %q", kv)
		}
		all[k] = v
	}
	return all, nil
}

// Pairs are values of the form KEY=VALUE; bad refuses one that is not.
func Pairs(list []string, bad func(kv string) error) (all map[string]string, err error) {
	for _, kv := range list {
		k, v, ok := strings.Cut(kv, "=")
		if !ok || k == "" {
			return nil, bad(kv)
		}
		if all == nil {
			all = map[string]string{}
		}
		all[k] = v
	}
	return all, nil
}
