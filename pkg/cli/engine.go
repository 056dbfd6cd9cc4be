// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/container/create"
	"coracle/pkg/docker"
	"coracle/pkg/hint"
	"coracle/pkg/state"
	"coracle/pkg/wire/socket"
)

// programFlags are the program's own, which stand before the command.
func programFlags() []cli.Flag {
	return []cli.Flag{
		flags.Text("root", nil, "Where images, containers and volumes are kept"),
		flags.Bool("root-local", nil, "Keep them on a disk of this machine where the usual place is on a network's"),
		flags.Text("config", nil, "Location of the client's config files"),
		flags.Text("context", flags.Short("c"), "Name of the context: default"),
		flags.Bool("debug", flags.Short("D"), "Enable debug mode"),
		flags.List("host", flags.Short("H"), "Daemon socket to connect to: only the default one, for there is no daemon"),
		flags.Text("log-level", flags.Short("l"), "Set the logging level (\"debug\", \"info\", \"warn\", \"error\", \"fatal\"): coracle has no log of its own"),
		flags.Bool("tls", nil, "Accepted for scripts: nothing is connected to"),
		flags.Text("tlscacert", nil, "Accepted for scripts: nothing is connected to"),
		flags.Text("tlscert", nil, "Accepted for scripts: nothing is connected to"),
		flags.Text("tlskey", nil, "Accepted for scripts: nothing is connected to"),
		flags.Bool("tlsverify", nil, "Accepted for scripts: nothing is connected to"),
		flags.Bool("version", flags.Short("v"), "Print version information and quit"),
	}
}

// before takes the program's own flags.
func before(e *command.Env, c *cli.Context) error {
	e.Root = c.String("root")
	if c.Bool("root-local") {
		if err := os.Setenv(state.LocalVariable, "1"); err != nil {
			return err
		}
	}
	switch l := c.String("log-level"); l {
	case "", "trace", "debug", "info", "warn", "warning", "error", "fatal", "panic":
	default:
		return command.Errorf("Unable to parse logging level: %s", l)
	}
	if err := checkEngine(e, c); err != nil {
		return err
	}
	e.Config = c.String("config")
	return nil
}

// checkEngine refuses --host, --context and their variables where they name
// another engine than this: what was meant for that must not happen here. As
// in Docker, a flag counts before its variable, and a context before a host.
func checkEngine(e *command.Env, c *cli.Context) error {
	hosts, named := c.StringSlice("host"), c.String("context")
	switch {
	case len(hosts) > 1:
		return &flags.UsageError{Message: fmt.Sprintf("invalid argument %q for \"-H, --host\" flag: specify only one -H", hosts[1]), Code: 125}
	case len(hosts) == 1 && named != "":
		return command.Errorf("conflicting options: cannot specify both --host and --context")
	case named != "":
		return checkContext(named, "leave out --context, or say --context default")
	case len(hosts) == 1:
		return checkHost(e, hosts[0], "leave out -H")
	case os.Getenv("DOCKER_HOST") != "":
		return checkHost(e, os.Getenv("DOCKER_HOST"), "unset DOCKER_HOST")
	}
	return checkContext(os.Getenv("DOCKER_CONTEXT"), "unset DOCKER_CONTEXT")
}

func checkContext(name, remedy string) error {
	if name == "" || name == command.DefaultContext {
		return nil
	}
	return hint.With(command.Errorf("Failed to initialize: unable to resolve docker endpoint: context %q: context not found: there is one context, %s, and no daemon to connect to", name, command.DefaultContext), remedy)
}

// checkHost takes the sockets where Docker's clients look for the engine of
// this host: that is what this program is in the place of. It takes another one, too,
// where this program serves the same store.
func checkHost(e *command.Env, host, remedy string) error {
	host = strings.TrimSpace(host)
	at, ok := strings.CutPrefix(host, "unix://")
	ours := []string{"", "/var/run/docker.sock", "/run/docker.sock", strings.TrimPrefix(os.Getenv(create.OwnSocket), "unix://")}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		ours = append(ours, path.Join(dir, "docker.sock"))
	}
	if host == "" || ok && (slices.Contains(ours, at) || path.IsAbs(at) && servesStore(at, answerTime, e.Open)) {
		return nil
	}
	return hint.With(command.Errorf("failed to connect to the docker API at %s: coracle is no client of another engine: it has no daemon, and works on this host only", host), remedy)
}

// answerTime is how long whoever listens on a socket may take to say whose it is: a
// service manager starts some first.
const answerTime = 5 * time.Second

// servesStore reports whether a server of this program answers at a socket, and has the
// store that open finds, by whatever name. Nothing else is asked of whoever is there.
func servesStore(path string, within time.Duration, open func() (state.Dirs, error)) bool {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodHead, "http://docker/_ping", http.NoBody)
	if err != nil {
		return false
	}
	t := &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) { return socket.Dial(path) }}
	resp, err := t.RoundTrip(r)
	if err != nil {
		return false
	}
	resp.Body.Close()
	root, err := url.PathUnescape(resp.Header.Get(docker.RootHeader))
	if err != nil || root == "" {
		return false
	}
	theirs, err := os.Stat(root)
	if err != nil {
		return false
	}
	d, err := open()
	if err != nil {
		return false
	}
	own, err := os.Stat(d.Root)
	return err == nil && os.SameFile(own, theirs)
}

// versionLine is what -v prints, in the form that scripts take apart.
func versionLine(e *command.Env) string {
	name := e.Program
	if name == "docker" {
		name = "Docker"
	}
	return fmt.Sprintf("%s version %s, build %s", name, Version, command.CommitID())
}
