// SPDX-License-Identifier: Apache-2.0

package jsonschema

import (
	"encoding/json"
	"errors"
	"strings"
)

// document is the text of a value of JSON. Of the specification's 90 kB a Compose file
// needs a few: what is in a value is found when it is asked for, and passed over until
// then.
type document string

var errNotJSON = errors.New("not a value of JSON")

// members are the members of an object.
func (d document) members() (map[string]document, error) {
	all := map[string]document{}
	err := d.inside('{', func(c *cursor) error {
		name, err := c.value()
		if err != nil {
			return err
		}
		var key string
		if err := json.Unmarshal([]byte(name), &key); err != nil || !c.pass(':') {
			return errNotJSON
		}
		all[key], err = c.value()
		return err
	})
	return all, err
}

// elements are those of an array.
func (d document) elements() (all []document, err error) {
	err = d.inside('[', func(c *cursor) error {
		v, err := c.value()
		all = append(all, v)
		return err
	})
	return all, err
}

// inside calls each at the beginning of every entry of an object or an array.
func (d document) inside(open byte, each func(*cursor) error) error {
	c := &cursor{text: string(d)}
	if !c.pass(open) {
		return errNotJSON
	}
	for end := open + 2; !c.pass(end); { // ASCII has } two behind {, and ] behind [
		if err := each(c); err != nil {
			return err
		}
		if !c.pass(',') && !c.is(end) {
			return errNotJSON
		}
	}
	return nil
}

// read gives a value that is small.
func (d document) read(v any) error { return json.Unmarshal([]byte(d), v) }

// cursor is a place in a text.
type cursor struct {
	text string
	at   int
}

// is reports whether the next character that is no space is b.
func (c *cursor) is(b byte) bool {
	for c.at < len(c.text) && strings.IndexByte(" \t\r\n", c.text[c.at]) >= 0 {
		c.at++
	}
	return c.at < len(c.text) && c.text[c.at] == b
}

// pass goes on behind that character.
func (c *cursor) pass(b byte) bool {
	if !c.is(b) {
		return false
	}
	c.at++
	return true
}

// value is the text of the value here, without what is around it.
func (c *cursor) value() (document, error) {
	c.is(' ') // to its beginning
	depth, from := 0, c.at
	for ; c.at < len(c.text); c.at++ {
		switch c.text[c.at] {
		case '"':
			c.string()
		case '{', '[':
			depth++
			continue
		case '}', ']':
			if depth--; depth < 0 { // of what this value is in
				return c.since(from)
			}
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return c.since(from)
			}
			continue
		default:
			continue // a number, a word, or what is between two values
		}
		if depth == 0 {
			c.at++
			return c.since(from)
		}
	}
	return c.since(from)
}

func (c *cursor) since(from int) (document, error) {
	if c.at = min(c.at, len(c.text)); c.at == from {
		return "", errNotJSON
	}
	return document(c.text[from:c.at]), nil
}

// string goes from the beginning of a string to the quote that ends it.
func (c *cursor) string() {
	for c.at++; c.at < len(c.text) && c.text[c.at] != '"'; c.at++ {
		if c.text[c.at] == '\\' {
			c.at++
		}
	}
}
