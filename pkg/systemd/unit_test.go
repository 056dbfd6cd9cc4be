// SPDX-License-Identifier: Apache-2.0

package systemd

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestParseUnit(t *testing.T) {
	u, err := ParseUnit("# comment\n[Unit]\nDescription = a  b\n\n[Container]\r\nExec=one \\\n  two \\\n; in between\n# and this\n three\nLabel=a\nLabel=b\nLabel=\nLabel=c=d\n[Unit]\nAfter=x\n")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := u.String(), "[Unit]\nDescription=a  b\nAfter=x\n\n[Container]\nExec=one    two   three\nLabel=a\nLabel=b\nLabel=\nLabel=c=d\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	c := u.Section("Container")
	if got := c.All("Label"); !slices.Equal(got, []string{"c=d"}) {
		t.Errorf("%q", got)
	}
	c.Default("Label", "no")
	c.Default("New", "yes")
	if c.Last("Label") != "c=d" || c.Last("New") != "yes" || c.Last("None") != "" {
		t.Errorf("%+v", c)
	}
	more, err := ParseUnit("[Container]\nLabel=e\n[New]\nA=1\n")
	if err != nil {
		t.Fatal(err)
	}
	u.Merge(more)
	if got := u.Section("Container").All("Label"); !slices.Equal(got, []string{"c=d", "e"}) || u.Section("New").Last("A") != "1" {
		t.Errorf("%q", got)
	}
	for _, bad := range []string{"A=1\n", "[A]\nnothing\n", "[A]\nB=1\\"} {
		if _, err := ParseUnit(bad); err == nil {
			t.Errorf("%q is a unit", bad)
		}
	}
}

func TestWords(t *testing.T) {
	for _, c := range []struct {
		value string
		want  []string
	}{
		{"", nil},
		{"  a   b\t", []string{"a", "b"}},
		{`"a b" 'c "d'`, []string{"a b", `c "d`}},
		{`x"y z"w ""`, []string{"xy zw", ""}},
		{`a\x20b \t\s \101 \u00e9`, []string{"a b", "\t ", "A", "é"}},
		{`\d+ "\."`, []string{`\d+`, `\.`}},
	} {
		got, err := Split(c.value)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %q %v, want %q", c.value, got, err, c.want)
		}
	}
	for _, bad := range []string{`"a`, `a\`, `\x00`, `\777`, `\ud800`} {
		if got, err := Split(bad); err == nil {
			t.Errorf("%s: %q", bad, got)
		}
	}
	words := []string{"", "a b", `"quoted"`, `back\slash`, "new\nline\ttab\x01", "ünï", "-v", "a=b:c,d", ";", "it's"}
	if got, err := Split(Quote(words...)); err != nil || !slices.Equal(got, words) {
		t.Errorf("%q %v", got, err)
	}
	if got := Quote("%h/x", "$HOME", Literal("100% $y"), ";"); got != `%h/x $HOME "100%% $$y" ";"` {
		t.Errorf("%s", got)
	}
	for value, want := range map[string]bool{"yes": true, "On": true, "0": false, "false": false} {
		if got, err := Boolean(value); got != want || err != nil {
			t.Errorf("%s: %t %v", value, got, err)
		}
	}
	if _, err := Boolean("maybe"); err == nil {
		t.Error("maybe is a boolean")
	}
}

func TestInstall(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	d, err := UserDir()
	if err != nil {
		t.Fatal(err)
	}
	if names, err := d.Units(); names != nil || err != nil {
		t.Errorf("%q %v", names, err)
	}
	u, err := ParseUnit("[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=default.target other.target\nRequiredBy=x.service\nAlias=also.service\nWantedBy=../../evil\n")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time in place of the first
		if err := d.Install("a.service", u); err != nil {
			t.Fatal(err)
		}
	}
	links := []string{"default.target.wants/a.service", "other.target.wants/a.service", "x.service.requires/a.service", "also.service"}
	for _, l := range links {
		data, err := os.ReadFile(filepath.Join(string(d), l))
		if err != nil || !strings.HasPrefix(string(data), mark) {
			t.Errorf("%s: %v %s", l, err, data)
		}
	}
	if names, err := d.Units(); !slices.Equal(names, []string{"a.service"}) || err != nil || !d.Enabled("a.service") {
		t.Errorf("%q %v", names, err)
	}
	own := filepath.Join(string(d), "own.service")
	if err := os.WriteFile(own, []byte("[Service]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	var foreign *ForeignError
	if err := d.Install("own.service", u); !errors.As(err, &foreign) {
		t.Errorf("%v", err)
	}
	if err := d.Remove("own.service"); !errors.As(err, &foreign) || foreign.Hint() == "" {
		t.Errorf("%v", err)
	}
	if err := d.Remove("a.service"); err != nil {
		t.Fatal(err)
	}
	if err := d.Remove("a.service"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if left, _ := filepath.Glob(string(d) + "/*"); !slices.Equal(left, []string{own}) {
		t.Errorf("%q are left", left)
	}
	template, err := ParseUnit("[Install]\nWantedBy=default.target\nDefaultInstance=one\n")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Install("t@.service", template); err != nil || !d.Enabled("t@one.service") {
		t.Errorf("%v", err)
	}
}
