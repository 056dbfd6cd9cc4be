// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"strings"
	"testing"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
)

func testEnv() *command.Env { return &command.Env{Program: "coracle"} }

// TestArrange checks that Docker's ways to write flags all mean the same.
func TestArrange(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"run -it busybox sh -c ls", "run --interactive=true --tty=true -- busybox sh -c ls"},
		{"run -itd -p8080:80 busybox", "run --interactive=true --tty=true --detach=true --publish=8080:80 -- busybox"},
		{"run -p 80 -p=81 --publish 82 --publish=83 x", "run --publish=80 --publish=81 --publish=82 --publish=83 -- x"},
		{"run --rm=false x --rm", "run --rm=false -- x --rm"},
		{"run -e A=1 -e B= x -- y", "run --env=A=1 --env=B= -- x -- y"},
		{"build . -t name", "build --tag=name -- ."},
		{"build -t name .", "build --tag=name -- ."},
		{"build . --tag=name", "build --tag=name -- ."},
		{"rm -fv a b", "rm --force=true --volumes=true -- a b"},
		{"rm a -f", "rm --force=true -- a"},
		{"container ls -aq", "container ls --all=true --quiet=true --"},
		{"image ls -a -q", "image ls --all=true --quiet=true --"},
		{"--root /x ps", "--root=/x ps --"},
		{"-D ps", "--debug=true ps --"},
		{"exec -it box sh -x", "exec --interactive=true --tty=true -- box sh -x"},
		{"logs --tail 5 -f box", "logs --tail=5 --follow=true -- box"},
		{"stop -- -odd", "stop -- -odd"},
		{"container create x --tty", "container create -- x --tty"},
		{"network create app --internal", "network create --internal=true -- app"},
		{"volume create data --label a=b", "volume create --label=a=b -- data"},
	} {
		e := testEnv()
		got, _, err := flags.Arrange(app(e), strings.Fields(tt.in))
		if s := strings.Join(got, " "); err != nil || s != tt.want {
			t.Errorf("%s:\n got %q %v\nwant %q", tt.in, s, err, tt.want)
		}
	}
}

func TestArrangeMistakes(t *testing.T) {
	for _, tt := range []struct {
		in, want string
		code     int
	}{
		{"run --nosuch x", "unknown flag: --nosuch", 125},
		{"run -X x", "unknown shorthand flag: 'X' in -X", 125},
		{"run -itX x", "unknown shorthand flag: 'X' in -itX", 125},
		{"run -p", "flag needs an argument: 'p' in -p", 125},
		{"run --publish", "flag needs an argument: --publish", 125},
		{"run --rm=maybe x", `invalid argument "maybe" for "--rm" flag`, 125},
		{"nosuch", "unknown command: coracle nosuch", 1},
		{"container nosuch", "unknown command: coracle container nosuch", 1},
	} {
		e := testEnv()
		_, _, err := flags.Arrange(app(e), strings.Fields(tt.in))
		var usage *flags.UsageError
		if !errors.As(err, &usage) || !strings.Contains(usage.Message, tt.want) || usage.Code != tt.code {
			t.Errorf("%s: %v, want %q with code %d", tt.in, err, tt.want, tt.code)
		}
	}
}

func TestHelpIsNoMistake(t *testing.T) {
	for _, in := range []string{"--help", "run --help", "container ls --help", "ps -h"} {
		_, _, err := flags.Arrange(app(testEnv()), strings.Fields(in))
		var help *flags.HelpRequest
		if !errors.As(err, &help) {
			t.Errorf("%s: %v", in, err)
		}
	}
}

func FuzzArrange(f *testing.F) {
	f.Add("run -it --rm busybox sh")
	f.Add("build . -t x -- y")
	f.Fuzz(func(t *testing.T, line string) {
		// Whatever is typed gives arguments or an error, and no panic.
		_, _, _ = flags.Arrange(app(testEnv()), strings.Fields(line))
	})
}
