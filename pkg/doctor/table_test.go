// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"coracle/pkg/hint"
)

// Every row that an error can name, a constant of package hint, stands in the table, and
// the doctor examines each once, in that order.
func TestEveryRowIsThere(t *testing.T) {
	var table []hint.Row
	for _, r := range Table() {
		table = append(table, r.Name)
	}
	source, err := os.ReadFile("../hint/row.go")
	if err == nil { // elsewhere than in the tree there is none
		var known []hint.Row
		for _, m := range regexp.MustCompile(`(?m)^\t\w+ +Row = "(.*)"$`).FindAllStringSubmatch(string(source), -1) {
			known = append(known, hint.Row(m[1]))
		}
		if !slices.Equal(known, table) {
			t.Errorf("errors may name %q, the table has %q", known, table)
		}
	}
	var examined []hint.Row
	for _, r := range Examine(context.Background(), t.TempDir()) {
		examined = append(examined, r.Name)
	}
	if !slices.Equal(examined, table) {
		t.Errorf("examined are %q, the table has %q", examined, table)
	}
}

func TestNamed(t *testing.T) {
	r := Table()
	for text, want := range map[string][]hint.Row{
		"user namespaces": {hint.UserNamespaces}, "User Namespaces": {hint.UserNamespaces}, "overlay": {hint.Overlay}, "ping overlay": {hint.Ping, hint.Overlay}, "ipv6": {hint.IPv6},
		"user's systemd": {hint.Manager}, "nothing": nil, "overlay nothing": nil,
	} {
		got, err := r.Named(strings.Fields(text))
		var names []hint.Row
		for _, row := range got {
			names = append(names, row.Name)
		}
		if !slices.Equal(names, want) || (err == nil) != (want != nil) {
			t.Errorf("%q: %q, %v", text, names, err)
		}
	}
	if all, err := r.Named(nil); err != nil || len(all) != len(r) {
		t.Errorf("without a name: %d rows, %v", len(all), err)
	}
}

func TestMarkdown(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(Markdown()), "\n")
	if len(lines) != len(Table())+2 {
		t.Errorf("%d lines", len(lines))
	}
	for _, l := range lines {
		if n := strings.Count(strings.ReplaceAll(l, `\|`, ""), "|"); n != 5 {
			t.Errorf("%d bars: %s", n, l)
		}
	}
}

func TestClock(t *testing.T) {
	for at, want := range map[time.Time]State{
		time.Unix(0, 0): Partly, time.Date(2024, 12, 31, 0, 0, 0, 0, time.UTC): Partly, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC): Yes,
	} {
		if r := clock(at); r.State != want || r.State == Partly && r.Remedy == "" {
			t.Errorf("%v: %+v", at, r)
		}
	}
}
