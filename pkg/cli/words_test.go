// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
)

// say runs a command line in a root of its own, and returns what it printed.
func say(t *testing.T, program, root, line string) (code int, stdout, stderr string) {
	t.Helper()
	dir := t.TempDir()
	file := func(name string) *os.File {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	stdin, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	e := &command.Env{Program: program, Version: Version, Args: append([]string{"--root", root}, splitWords(line)...), Stdin: stdin, Stdout: &command.Output{File: file("out")}, Stderr: file("err")}
	code = report(e, run(context.Background(), e))
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	return code, read("out"), read("err")
}

// splitWords splits at spaces; ” is an empty word.
func splitWords(line string) []string {
	words := strings.Fields(line)
	for i, w := range words {
		words[i] = strings.ReplaceAll(strings.ReplaceAll(w, "''", ""), "·", " ")
	}
	return words
}

// TestWords is what command lines answer that need no image: the exit code,
// and something of what is printed, out: on standard output. In a line, ” is
// nothing and · is a space. The sentences are those of docker 28 and 29.
func TestWords(t *testing.T) {
	for _, n := range []string{"DOCKER_HOST", "DOCKER_CONTEXT", "BUILDX_BUILDER", "DOCKER_DEFAULT_PLATFORM"} {
		t.Setenv(n, "")
	}
	root := filepath.Join(t.TempDir(), "root")
	for _, row := range []struct {
		line string
		code int
		want string
	}{
		// Values that their flags do not take.
		{"run --rm=maybe x", 125, `invalid argument "maybe" for "--rm" flag: strconv.ParseBool: parsing "maybe": invalid syntax`},
		{"run -i=maybe x", 125, `invalid argument "maybe" for "-i, --interactive" flag: strconv.ParseBool`},
		{"compose --nosuch", 1, `unknown flag: --nosuch`},
		{"compose up --timeout soon", 1, `invalid argument "soon" for "-t, --timeout" flag: strconv.ParseInt: parsing "soon": invalid syntax`},
		{"ps --all=zz", 125, `invalid argument "zz" for "-a, --all" flag: strconv.ParseBool`},
		{"ps -n zz", 125, `invalid argument "zz" for "-n, --last" flag: strconv.ParseInt: parsing "zz": invalid syntax`},
		{"run --stop-timeout x x", 125, `invalid argument "x" for "--stop-timeout" flag: strconv.ParseInt: parsing "x": invalid syntax`},
		{"run --stop-timeout=99999999999999999999 x", 125, `strconv.ParseInt: parsing "99999999999999999999": value out of range`},
		{"stop -t x y", 125, `invalid argument "x" for "-t, --timeout" flag: strconv.ParseInt`},
		{"run --oom-score-adj= x", 125, `invalid argument "" for "--oom-score-adj" flag: strconv.ParseInt: parsing "": invalid syntax`},
		{"run --pids-limit x x", 125, `invalid argument "x" for "--pids-limit" flag: strconv.ParseInt`},
		{"run --blkio-weight=70000 x", 125, `invalid argument "70000" for "--blkio-weight" flag: strconv.ParseUint: parsing "70000": value out of range`},
		{"run --health-interval x x", 125, `invalid argument "x" for "--health-interval" flag: time: invalid duration "x"`},
		{"run --health-timeout 5 x", 125, `time: missing unit in duration "5"`},
		{"run -m x x", 125, `invalid argument "x" for "-m, --memory" flag: invalid size: 'x'`},
		{"update --memory-swap=x c", 125, `invalid argument "x" for "--memory-swap" flag: invalid size: 'x'`},
		{"run --shm-size x x", 125, `invalid argument "x" for "--shm-size" flag: invalid size: 'x'`},
		{"run --cpus x x", 125, `invalid argument "x" for "--cpus" flag: failed to parse x as a rational number`},
		{"run --cpus 0.0000000001 x", 125, `value is too precise`},
		{"run --ip x x", 125, `invalid argument "x" for "--ip" flag: failed to parse IP: "x"`},
		{"network connect --ip6 x n c", 125, `invalid argument "x" for "--ip6" flag: failed to parse IP: "x"`},
		{"network create --gateway x n", 125, `invalid argument "x" for "--gateway" flag: invalid string being converted to IP address: x`},
		{"run --dns x x", 125, `invalid argument "x" for "--dns" flag: IP address is not correctly formatted: x`},
		{"run --dns-search a..b x", 125, `invalid argument "a..b" for "--dns-search" flag: a..b is not a valid domain`},
		{"run --add-host x x", 125, `invalid argument "x" for "--add-host" flag: bad format for add-host: "x"`},
		{"run --link a:b:c x", 125, `invalid argument "a:b:c" for "--link" flag: bad format for links: a:b:c`},
		{"run -e =x x", 125, `invalid argument "=x" for "-e, --env" flag: invalid environment variable: =x`},
		{"exec -e '' c ls", 125, `invalid argument "" for "-e, --env" flag: invalid environment variable: `},
		{"run -l =x x", 125, `invalid argument "=x" for "-l, --label" flag: invalid label '=x': empty name`},
		{"network create --label a·b=c n", 125, `label 'a b' contains whitespaces`},
		{"run --sysctl x x", 125, `invalid argument "x" for "--sysctl" flag: sysctl 'x' is not allowed`},
		{"run --sysctl kernel.panic=1 x", 125, `sysctl 'kernel.panic=1' is not allowed`},
		{"run -a foo x", 125, `invalid argument "foo" for "-a, --attach" flag: valid streams are STDIN, STDOUT and STDERR`},
		{"run --ulimit foo=1 x", 125, `invalid argument "foo=1" for "--ulimit" flag: invalid ulimit type: foo`},
		{"run --ulimit nofile=5:3 x", 125, `ulimit soft limit must be less than or equal to hard limit: 5 > 3`},
		{"run --device-read-bps x x", 125, `invalid argument "x" for "--device-read-bps" flag: bad format: x`},
		{"run --device-write-iops /dev/x:1m x", 125, `Number must be a positive integer`},
		{"run --blkio-weight-device /dev/x:5 x", 125, `invalid weight for device: /dev/x:5`},
		{"run --device-cgroup-rule x x", 125, `invalid argument "x" for "--device-cgroup-rule" flag: invalid device cgroup format 'x'`},
		{"run --gpus zz x", 125, `invalid argument "zz" for "--gpus" flag: invalid count (zz): value must be either "all" or an integer: invalid syntax`},
		{"run --mount zz x", 125, `invalid argument "zz" for "--mount" flag: invalid field 'zz' must be a key=value pair`},
		{"run --umask 9 x", 125, `invalid argument "9" for "--umask" flag`},
		{"build -t :x .", 125, `invalid argument ":x" for "-t, --tag" flag: invalid reference format`},
		{"save --format tar nosuch", 1, `--format "tar": must be squashfs or sif`},
		{"save --format sif nosuch", 1, "--format sif needs a file: use the -o flag"},
		{"images --filter x", 125, `invalid argument "x" for "-f, --filter" flag: bad format of filter (expected name=value)`},
		{"system prune --filter x", 125, `invalid argument "x" for "--filter" flag: bad format of filter (expected name=value)`},
		{"builder prune --keep-storage x", 125, `invalid argument "x" for "--keep-storage" flag: invalid size: 'x'`},

		// Flags that are not there, or lack their value.
		{"ps -z", 125, "unknown shorthand flag: 'z' in -z\n\nUsage:  coracle ps [OPTIONS]\n\nRun 'coracle ps --help' for more information\n"},
		{"run -itz x", 125, "unknown shorthand flag: 'z' in -itz"},
		{"ps --nosuch", 125, "unknown flag: --nosuch\n\nUsage:  coracle ps"},
		{"-z", 125, "unknown shorthand flag: 'z' in -z\n\nUsage:  coracle [OPTIONS] COMMAND [ARG...]\n\nRun 'coracle --help'"},
		{"run --name", 125, "flag needs an argument: --name"},
		{"run -p", 125, "flag needs an argument: 'p' in -p"},
		{"run --memory=1g --cpu-count 1 x", 125, "--cpu-count is not supported: it is for Windows"},
		{"run --cpu-rt-period=5 x", 125, "--cpu-rt-period is not supported"},
		{"rm --link a", 125, "--link is not supported"},
		{"rm -l a", 125, "--link is not supported"},
		{"start --checkpoint a b", 125, "--checkpoint is not supported"},
		{"network create --ingress n", 125, "--ingress is not supported"},
		{"network create --ipv4=false n", 1, "--ipv4=false is not supported"},
		{"stop --time 1 nosuch", 1, "Flag --time has been deprecated, use --timeout instead\nError: No such container: nosuch"},
		{"run --kernel-memory=1g", 1, "Flag --kernel-memory has been deprecated, and no longer supported by the kernel"},
		{"ps -h", 0, "Flag shorthand -h has been deprecated, use --help"},

		// Numbers of arguments, and commands that are not there.
		{"run", 1, "coracle: 'coracle run' requires at least 1 argument\n\nUsage:  coracle run [OPTIONS] IMAGE [COMMAND] [ARG...]\n\nSee 'coracle run --help' for more information\n"},
		{"exec c", 1, "'coracle exec' requires at least 2 arguments"},
		{"rename a", 1, "'coracle rename' requires 2 arguments\n\nUsage:  coracle rename CONTAINER NEW_NAME\n\nRun 'coracle rename --help'"},
		{"port a b c", 1, "'coracle port' requires at least 1 and at most 2 arguments"},
		{"images a b", 1, "'coracle images' requires at most 1 argument"},
		{"ps x", 1, "coracle: 'coracle ps' accepts no arguments\n\nUsage:  coracle ps [OPTIONS]\n\nRun"},
		{"system df x", 1, "'coracle system df' accepts no arguments"},
		{"nosuch", 1, "coracle: unknown command: coracle nosuch\n\nRun 'coracle --help' for more information\n"},
		{"container nosuch", 1, "coracle: unknown command: coracle container nosuch\n\nUsage:  coracle container COMMAND\n\nRun 'coracle container --help'"},
		{"container", 0, "Usage:  coracle container COMMAND"},
		{"", 0, "Usage:  coracle [OPTIONS] COMMAND"},
		{"swarm init", 125, "'coracle swarm' is not supported"},
		{"search", 1, "coracle: 'coracle search' requires 1 argument\n\nUsage:  coracle search [OPTIONS] TERM\n"},
		{"search --limit many x", 125, `invalid argument "many" for "--limit" flag: strconv.ParseInt: parsing "many": invalid syntax`},
		{"search --limit 101 x", 1, "limit 101 is outside the range of [1, 100]"},
		{"search https://reg.example/x", 1, "invalid repository name: repository name (https://reg.example/x) should not have a scheme"},
		{"search -f stars=many x", 1, "invalid filter 'stars=many'"},
		{"search -f official=1 x", 1, "invalid filter 'official'"},
		{"search -f stars x", 125, `invalid argument "stars" for "-f, --filter" flag: bad format of filter (expected name=value)`},
		{"search --filter is-automated=true x", 0, `WARNING: the "is-automated" filter is deprecated, and searching for "is-automated=true" will not yield any results in future.`},
		{"search --filter is-automated=true x", 0, "out:NAME      DESCRIPTION   STARS     OFFICIAL\n"},
		{"manifest create a b", 125, "'coracle manifest create' is not supported"},

		// Help.
		{"help", 0, "out:Management Commands:"},
		{"help run", 0, "out:Usage:  coracle run [OPTIONS] IMAGE [COMMAND] [ARG...]\n\nCreate and run a new container from an image\n\nAliases:\n  coracle container run, coracle run\n\nOptions:\n      --add-host list"},
		{"help container rm", 0, "out:Usage:  coracle container rm [OPTIONS] CONTAINER [CONTAINER...]"},
		{"help nosuch", 1, "unknown help topic: nosuch"},
		{"help ps nosuch", 1, "unknown help topic: ps nosuch"},
		{"ps --help", 0, "out:  -n, --last int"},
		{"run --help", 0, "out:--pull string"},
		{"run --help", 0, `out:(default "missing")`},

		// Which engine is meant.
		{"-H unix:///x ps", 1, "failed to connect to the docker API at unix:///x: coracle is no client of another engine"},
		{"--host tcp://10.0.0.1:2375 ps", 1, "hint: leave out -H"},
		{"-H ssh://u@h -H tcp://h ps", 125, "specify only one -H"},
		{"-H unix:///var/run/docker.sock ps", 0, "out:CONTAINER ID"},
		{"--context nosuch ps", 1, `context "nosuch": context not found`},
		{"-c default ps -q", 0, ""},
		{"-c default -H unix:///x ps", 1, "conflicting options: cannot specify both --host and --context"},
		{"--tls --tlscacert=x --tlsverify=false ps -q", 0, ""},
		{"-l debug -D ps -q", 0, ""},
		{"-l loud ps", 1, "Unable to parse logging level: loud"},
		{"-v", 0, "out:coracle version " + Version + ", build "},

		// Contexts and builders, of which there is one each.
		{"context ls -q", 0, "out:default\n"},
		{"context ls --format {{.Name}}={{.DockerEndpoint}}", 0, "out:default=unix:///"},
		{"context show", 0, "out:default\n"},
		{"context use default", 0, "out:default\n"},
		{"context use x", 1, `context "x": context not found`},
		{"context inspect --format {{.Name}}", 0, "out:default\n"},
		{"context inspect x", 1, `context "x": context not found`},
		{"context rm default", 1, `context "default" cannot be removed`},
		{"context create x", 125, "'coracle context create' is not supported"},
		{"buildx version", 0, "out:buildx v"},
		{"buildx ls", 0, "out:default*"},
		{"buildx inspect --bootstrap", 0, "out:Driver: docker\n"},
		{"buildx inspect x", 1, `no builder "x" found`},
		{"buildx use default", 0, ""},
		{"buildx bake", 1, "'coracle buildx bake' is not supported"},
		{"buildx build --help", 0, "out:Usage:  coracle buildx build [OPTIONS]"},

		// Several things of which some are not there, and filters.
		{"kill a b", 1, "Error: No such container: a\nError: No such container: b\n"},
		{"inspect a b", 1, "no such object: a"},
		{"inspect a", 1, "out:[]\n"},
		{"rm a b", 1, "Error: No such container: a\nError: No such container: b\n"},
		{"rm -f a b", 0, "Error: No such container: a\nError: No such container: b\n"},
		{"ps -f foo=x", 1, "invalid filter 'foo'"},
		{"ps -f is-task=x", 1, "invalid filter 'is-task=[x]'"},
		{"images -f dangling=x", 1, "invalid filter 'dangling=[x]'"},
		{"images -f until=x", 1, `failed to parse value as time or duration: "x"`},
		{"image prune -f --filter dangling=x", 1, "invalid filter 'dangling=[x]'"},
		{"events --since x", 1, "failed to parse value as time or duration: \"x\"\n"},
		{"run --platform windows/amd64 x", 125, `operating system "windows" is not supported`},
		{"ps -f status=foo", 1, "invalid filter 'status=foo'"},
		{"system prune --volumes --filter until=1h", 1, `The "until" filter is not supported with "--volumes"`},
		{"volume prune -a --filter all=1 -f", 1, "conflicting options: cannot specify both --all and --filter all=1"},
		{"system prune -a --volumes", 0, "out:WARNING! This will remove:\n  - all stopped containers\n  - all networks not used by at least one container\n  - all anonymous volumes not used by at least one container\n  - all images without at least one container associated to them\n  - all build cache\n\nAre you sure you want to continue? [y/N] "},
		{"system prune --filter label=a", 0, "out:  - all dangling images\n\n  Items to be pruned will be filtered with:\n  - label=a\n\nAre you sure"},

		// Completion.
		{"completion bash", 0, "out:complete -o default -F _coracle_complete coracle"},
		{"completion zsh", 0, "out:#compdef coracle"},
		{"completion fish", 0, "out:complete -c coracle"},
		{"completion powershell", 1, "unknown command: coracle completion powershell"},
		{"__complete sys", 0, "out:system\n"},
		{"__complete container st", 0, "out:start\nstats\nstop\n"},
		{"__complete run --netw", 0, "out:--network\n"},
		{"__complete sea", 0, "out:search\n"},
		{"__complete search --", 0, "out:--filter\n--format\n--limit\n--no-trunc\n--help\n"},
		{"__complete run --network ''", 0, "out:bridge\nhost\nnone\n"},
	} {
		code, stdout, stderr := say(t, "coracle", root, row.line)
		got, want := stderr, row.want
		if w, ok := strings.CutPrefix(want, "out:"); ok {
			got, want = stdout, w
		}
		if code != row.code || !strings.Contains(got, want) {
			t.Errorf("%s: exit code %d, want %d\n got %q\nwant %q\nelse %q", row.line, code, row.code, got, want, stdout+stderr)
		}
	}
}

// TestOtherEngineOfTheEnvironment checks the variables that Docker's clients
// have for -H and --context.
func TestOtherEngineOfTheEnvironment(t *testing.T) {
	root := filepath.Join(t.TempDir(), "root")
	for _, row := range []struct {
		host, context, line string
		code                int
		want                string
	}{
		{"tcp://h:1", "", "ps -q", 1, "failed to connect to the docker API at tcp://h:1"},
		{"tcp://h:1", "", "-c default ps -q", 0, ""},
		{"tcp://h:1", "", "-H unix:///run/docker.sock ps -q", 0, ""},
		{"unix:///var/run/docker.sock", "", "ps -q", 0, ""},
		{"", "far", "ps -q", 1, `context "far": context not found`},
		{"", "default", "ps -q", 0, ""},
		{"", "far", "version --help", 0, ""},
	} {
		t.Setenv("DOCKER_HOST", row.host)
		t.Setenv("DOCKER_CONTEXT", row.context)
		code, _, stderr := say(t, "coracle", root, row.line)
		if code != row.code || !strings.Contains(stderr, row.want) {
			t.Errorf("DOCKER_HOST=%s DOCKER_CONTEXT=%s %s: %d, %q", row.host, row.context, row.line, code, stderr)
		}
	}
}

// TestCalledAsDocker checks that a link of that name answers in Docker's words.
func TestCalledAsDocker(t *testing.T) {
	t.Setenv("DOCKER_HOST", "")
	root := filepath.Join(t.TempDir(), "root")
	for line, want := range map[string]string{
		"-v":        "Docker version " + Version + ", build ",
		"run":       "docker: 'docker run' requires at least 1 argument",
		"stop x":    "Error response from daemon: No such container: x",
		"run --foo": "unknown flag: --foo\n\nUsage:  docker run",
	} {
		if _, stdout, stderr := say(t, "docker", root, line); !strings.Contains(stdout+stderr, want) {
			t.Errorf("%s: %q", line, stdout+stderr)
		}
	}
}

// TestHelpBeginsWithWhatWorks checks the form of every command's help: what is
// refused comes last, and no line is too long for a narrow terminal.
func TestHelpBeginsWithWhatWorks(t *testing.T) {
	e := testEnv()
	for _, c := range app(e).Commands {
		for _, s := range append(c.Subcommands, c) {
			if s.Hidden {
				continue
			}
			text := flags.UsageText(app(e), s, s.Name)
			works, _, _ := strings.Cut(text, "Options of Docker that are not supported:")
			if strings.Contains(works, flags.NotSupported) {
				t.Errorf("%s %s: begins with what is not supported:\n%s", c.Name, s.Name, works)
			}
			_, options, _ := strings.Cut(text, "Options:\n")
			options, _, _ = strings.Cut(options, "\nCommands:\n")
			for _, l := range strings.Split(options, "\n") {
				if len(l) > 80 || strings.TrimRight(l, " ") != l {
					t.Errorf("%s %s: %q", c.Name, s.Name, l)
				}
			}
		}
	}
}

// TestNoArgumentIsIgnored checks that every command that takes no arguments
// says so when it gets one.
func TestNoArgumentIsIgnored(t *testing.T) {
	root, tried := filepath.Join(t.TempDir(), "root"), 0
	var try func(path string, list []*cli.Command)
	try = func(path string, list []*cli.Command) {
		for _, c := range list {
			switch name := path + c.Name; {
			case c.Hidden:
			case len(c.Subcommands) > 0:
				try(name+" ", c.Subcommands)
			case c.ArgsUsage == "" && c.Name != "help":
				tried++
				if code, _, stderr := say(t, "coracle", root, name+" stray"); code != 1 || !strings.Contains(stderr, "'coracle "+name+"' accepts no arguments") {
					t.Errorf("%s stray: %d\n%s", name, code, stderr)
				}
			}
		}
	}
	try("", app(testEnv()).Commands)
	if tried < 20 {
		t.Errorf("only %d commands take no arguments", tried)
	}
}
