// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"fmt"
	"strings"
	"testing"
)

func TestSearchRequest(t *testing.T) {
	for _, c := range []struct {
		term    string
		limit   int
		filters string
		want    string // domain term limit official stars automated, or an error
	}{
		{"busybox", 0, "", "docker.io busybox 25 any 0 false"},
		{"library/busybox", 1, "", "docker.io busybox 1 any 0 false"},
		{"docker.io/library/busybox", 100, "", "docker.io busybox 100 any 0 false"},
		{"index.docker.io/library", 2, "", "docker.io library 2 any 0 false"},
		{"index.docker.io/team/app", 2, "", "docker.io team/app 2 any 0 false"},
		{"team/app", 2, "", "docker.io team/app 2 any 0 false"},
		{"reg.example/library/app", 2, "", "reg.example library/app 2 any 0 false"},
		{"localhost/app", 2, "", "localhost app 2 any 0 false"},
		{"[::1]:5000/", 2, "", "[::1]:5000  2 any 0 false"},
		{"a b", 2, "", "docker.io a b 2 any 0 false"},
		{"", 2, "", "docker.io  2 any 0 false"},
		{"x", 2, "is-official=true", "docker.io x 2 true 0 false"},
		{"x", 2, "is-official=0", "docker.io x 2 false 0 false"},
		{"x", 2, "stars=3 stars=12 stars=-1", "docker.io x 2 any 12 false"},
		{"x", 2, "is-automated=1", "docker.io x 2 any 0 true"},
		{"x", 2, "is-automated=false", "docker.io x 2 any 0 false"},

		{"https://reg.example/x", 0, "", "invalid repository name: repository name (https://reg.example/x) should not have a scheme"},
		{"x", -1, "", "limit -1 is outside the range of [1, 100]"},
		{"x", 101, "", "limit 101 is outside the range of [1, 100]"},
		{"x", 0, "type=custom", "invalid filter 'type'"},
		{"x", 0, "stars", "bad format of filter (expected name=value)"},
		{"x", 0, "stars=1 stars=many", `invalid filter 'stars=many': strconv.Atoi: parsing "many": invalid syntax`},
		{"x", 0, "is-official=maybe", "invalid filter 'is-official=[maybe]'"},
		{"x", 0, "is-official=true is-official=false", "invalid filter 'is-official=[true false]'"},
		{"x", 0, "is-automated=maybe", "invalid filter 'is-automated=[maybe]'"},
		{"reg.example:port/x", 0, "", `invalid repository name (reg.example:port/x): "reg.example:port" is not the name of a registry`},
		{"a@b.example/x", 0, "", `invalid repository name (a@b.example/x): "a@b.example" is not the name of a registry`},
		{"-.example/x", 0, "", `invalid repository name (-.example/x): "-.example" is not the name of a registry`},
		{"169.254.169.254?/x", 0, "", `invalid repository name (169.254.169.254?/x): "169.254.169.254?" is not the name of a registry`},
	} {
		r, err := SearchRequest(c.term, c.limit, strings.Fields(c.filters))
		official := "any"
		if r.Official != nil {
			official = fmt.Sprint(*r.Official)
		}
		got := fmt.Sprintf("%s %s %d %s %d %v", r.Domain, r.Term, r.Limit, official, r.Stars, r.Automated)
		if err != nil {
			if got = err.Error(); KindOf(err) != Invalid {
				t.Errorf("%q: %v is no refusal of what cannot be meant", c.term, err)
			}
		}
		if got != c.want {
			t.Errorf("%q %d %s:\n got %s\nwant %s", c.term, c.limit, c.filters, got, c.want)
		}
	}
}
