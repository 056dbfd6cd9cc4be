// SPDX-License-Identifier: Apache-2.0

package containercmd_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"coracle/internal/testutil"
	"coracle/internal/testutil/commandline"
)

// TestNoSuchContainer: every verb says the same of a container that is not there, in
// Docker's words, with the name that was typed, and ends with 1.
func TestNoSuchContainer(t *testing.T) {
	h := commandline.New(t)
	file := filepath.Join(t.TempDir(), "out.tar")
	for _, verb := range []string{
		"attach none", "cp none:/x .", "cp . none:/x", "diff none", "exec none sh", "export -o " + file + " none", "inspect --type container none", "kill none",
		"logs none", "pause none", "port none", "rename none other", "restart none", "rm none", "start none", "start -a none", "stop none", "stats --no-stream none",
		"top none", "unpause none", "update --memory 64m none", "wait none", "container inspect none", "container rm none", "commit none",
	} {
		r := h.Do(strings.Fields(verb)...)
		if r.Code != 1 || !strings.Contains(strings.ToLower(r.Err), "no such container: none") || strings.TrimSpace(r.Out) != "" && !strings.Contains(verb, "inspect") {
			t.Errorf("%s: %+v", verb, r)
		}
	}
	if r := h.Do("rm", "-f", "none"); r.Code != 0 && r.Code != 1 || r.Out != "" {
		t.Errorf("rm -f: %+v", r)
	}
	h.Program = "docker"
	h.Fails(1, "Error response from daemon: No such container: none", "stop", "none")
	if r := h.Do("stop", "one", "two"); strings.Count(r.Err, "No such container: ") != 2 {
		t.Errorf("of two: %+v", r)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("an export of nothing left a file")
	}
}

// TestArguments: how many there may be, in docker/cli's words.
func TestArguments(t *testing.T) {
	h := commandline.New(t)
	for line, want := range map[string]string{
		"run":               "'coracle run' requires at least 1 argument",
		"create":            "'coracle create' requires at least 1 argument",
		"exec":              "'coracle exec' requires at least 2 arguments",
		"exec box":          "'coracle exec' requires at least 2 arguments",
		"attach":            "'coracle attach' requires 1 argument",
		"attach a b":        "'coracle attach' requires 1 argument",
		"rename a":          "'coracle rename' requires 2 arguments",
		"rm":                "'coracle rm' requires at least 1 argument",
		"kill":              "'coracle kill' requires at least 1 argument",
		"stop":              "'coracle stop' requires at least 1 argument",
		"start":             "'coracle start' requires at least 1 argument",
		"restart":           "'coracle restart' requires at least 1 argument",
		"wait":              "'coracle wait' requires at least 1 argument",
		"logs":              "'coracle logs' requires 1 argument",
		"logs a b":          "'coracle logs' requires 1 argument",
		"diff":              "'coracle diff' requires 1 argument",
		"export":            "'coracle export' requires 1 argument",
		"cp a":              "'coracle cp' requires 2 arguments",
		"port":              "'coracle port' requires at least 1 and at most 2 arguments",
		"top":               "'coracle top' requires at least 1 argument",
		"ps x":              "'coracle ps' accepts no arguments",
		"container ls x":    "'coracle container ls' accepts no arguments",
		"container prune x": "'coracle container prune' accepts no arguments",
	} {
		r := h.Do(strings.Fields(line)...)
		if r.Code != 1 || !strings.Contains(r.Err, want+"\n") || !strings.Contains(r.Err, "\nUsage:  coracle "+strings.Join(command(line), " ")) {
			t.Errorf("%s: %d %s\nwant %s", line, r.Code, r.Err, want)
		}
		if !strings.Contains(r.Err, "'coracle "+strings.Join(command(line), " ")+" --help' for more information") {
			t.Errorf("%s: does not say where to read on: %s", line, r.Err)
		}
	}
}

// command are the words of a command, without its arguments.
func command(line string) []string {
	words := strings.Fields(line)
	if words[0] == "container" {
		return words[:2]
	}
	return words[:1]
}

// TestRunIsRefused: what is wrong with a flag by itself is said before anything is fetched
// or made, with 125, in Docker's words.
func TestRunIsRefused(t *testing.T) {
	h := commandline.New(t)
	env := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(env, []byte("A B=1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ flags, want string }{
		{"--nosuch", "unknown flag: --nosuch"},
		{"-X", "unknown shorthand flag: 'X' in -X"},
		{"--memory much", `invalid argument "much" for "-m, --memory" flag: invalid size: 'much'`},
		{"--cpus x", `invalid argument "x" for "--cpus" flag`},
		{"-p 99999:80", "invalid"},
		{"-p 80:80:80:80", "invalid"},
		{"--mount type=bind,src=/a", "target"},
		{"--env-file " + env, "variable 'A B' contains whitespaces"},
		{"--env-file /nowhere", "open /nowhere: no such file or directory"},
		{"--env =1", `invalid argument "=1" for "-e, --env" flag: invalid environment variable: =1`},
		{"--label =1", "invalid label '=1': empty name"},
		{"--restart sometimes", "sometimes"},
		{"--restart always --rm", "conflicting options: cannot specify both --restart and --rm"},
		{"--ip 10.0.0.x", `failed to parse IP: "10.0.0.x"`},
		{"--add-host x", `bad format for add-host: "x"`},
		{"--ulimit nofile", "invalid ulimit argument: nofile"},
		{"--sysctl vm.x=1", "sysctl 'vm.x=1' is not allowed"},
		{"--shm-size x", "invalid size: 'x'"},
		{"--health-interval 3", `time: missing unit in duration "3"`},
		{"--dns x", "IP address is not correctly formatted: x"},
		{"--pull sometimes", "sometimes"},
		{"-a what", "valid streams are STDIN, STDOUT and STDERR"},
		{"--cidfile " + env, "container ID file found"},
		{"--gpus x", `invalid count (x): value must be either "all" or an integer`},
	} {
		for _, verb := range []string{"run", "create"} {
			r := h.Do(append(append([]string{verb}, strings.Fields(c.flags)...), "busybox")...)
			if r.Code != 125 || !strings.Contains(r.Err, c.want) || r.Out != "" {
				t.Errorf("%s %s: %d %s%s\nwant %s", verb, c.flags, r.Code, r.Err, r.Out, c.want)
			}
			if strings.Contains(r.Err, "Unable to find image") {
				t.Errorf("%s %s: looked for the image first", verb, c.flags)
			}
		}
	}
	h.Fails(1, "conflicting options: cannot specify both --attach and --detach", "run", "-d", "-a", "stdout", "busybox")
	if got := h.OK("ps", "-aq"); got != "" {
		t.Errorf("containers: %s", got)
	}
}

// TestEmpty: lists of nothing have their heads, and prunes nothing to do.
func TestEmpty(t *testing.T) {
	h := commandline.New(t)
	for line, want := range map[string]string{
		"ps":                              "CONTAINER ID IMAGE COMMAND CREATED STATUS PORTS NAMES",
		"ps -s":                           "CONTAINER ID IMAGE COMMAND CREATED STATUS PORTS NAMES SIZE",
		"ps -q":                           "",
		"ps --format {{.ID}}":             "",
		"container ls -a":                 "CONTAINER ID IMAGE COMMAND CREATED STATUS PORTS NAMES",
		"container prune -f":              "Total reclaimed space: 0B",
		"stats --no-stream":               "CONTAINER ID NAME CPU % MEM USAGE / LIMIT MEM % NET I/O BLOCK I/O PIDS",
		"images":                          "",
		"images -q":                       "",
		"volume ls":                       "DRIVER VOLUME NAME",
		"images --format {{.Repository}}": "",
	} {
		r := h.Do(strings.Fields(line)...)
		got := strings.Join(strings.Fields(r.Out), " ")
		if r.Code != 0 || line != "images" && got != want || line == "images" && !strings.HasPrefix(got, "REPOSITORY") && !strings.HasPrefix(got, "IMAGE") {
			t.Errorf("%s: %d %q %s, want %q", line, r.Code, got, r.Err, want)
		}
	}
	for _, c := range []struct {
		code       int
		line, want string
	}{
		{1, "ps --filter nosuch=x", "invalid filter 'nosuch'"}, {125, "ps --filter x", "bad format of filter (expected name=value)"},
		{1, "ps --filter status=well", "well"}, {1, "ps --filter exited=x", "x"}, {1, "ps --format {{", "unclosed action"},
		{125, "ps -n x", "invalid syntax"}, {1, "container prune -f --filter nosuch=x", "nosuch"},
	} {
		h.Fails(c.code, c.want, strings.Fields(c.line)...)
	}
	h.Stdin = "n\n"
	testutil.Contains(t, h.OK("container", "prune"), "WARNING! This will remove all stopped containers.", "Are you sure you want to continue? [y/N]")
}
