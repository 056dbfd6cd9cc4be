// SPDX-License-Identifier: Apache-2.0

package session

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"
)

// metadata are headers with lists of texts as BuildKit sends them (session/filesync,
// encodeOpts): those with more than ASCII are escaped, and say so.
type metadata http.Header

func (m metadata) set(key string, list ...string) {
	if len(list) == 0 {
		return
	}
	special := func(s string) bool {
		return strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII || r < ' ' })
	}
	if slices.ContainsFunc(list, special) {
		list = slices.Clone(list)
		for i, s := range list {
			list[i] = url.QueryEscape(s)
		}
		m[key+"-encoded"] = []string{"1"}
	}
	m[key] = list
}

func (m metadata) header() http.Header { return http.Header(m) }
