// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"strings"
	"testing"

	"github.com/docker/go-units"
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
)

// wants compares an error with the words it should have; none for none.
func wants(t *testing.T, what string, err error, words string) {
	t.Helper()
	if words == "" && err != nil || words != "" && (err == nil || !strings.Contains(err.Error(), words)) {
		t.Errorf("%s: %v; want %q", what, err, words)
	}
}

// given is the context of a run with these flags.
func given(t *testing.T, args ...string) (c *cli.Context) {
	t.Helper()
	app := app((&command.Env{Program: "coracle"}))
	flags.FindCommand(app.Commands, "run").Action = func(got *cli.Context) error { c = got; return nil }
	line, _, err := flags.Arrange(app, append(append([]string{"run"}, args...), "image"))
	if err == nil {
		err = app.Run(append([]string{"coracle"}, line...))
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func FuzzUlimit(f *testing.F) {
	for _, s := range []string{"nofile=1:2", "core=-1", "nproc=5", "=", "rtprio=a:b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := units.ParseUlimit(s)
		if err != nil {
			return
		}
		if again, err := units.ParseUlimit(u.String()); err != nil || *again != *u {
			t.Errorf("%q: %v and %v, %v", s, u, again, err)
		}
	})
}
