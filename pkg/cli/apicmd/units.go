// SPDX-License-Identifier: Apache-2.0

package apicmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"coracle/pkg/cli/command"
	"coracle/pkg/systemd"
)

// The units: who connects to the socket starts the service, which ends when nobody has
// asked for anything for a while.
const (
	socketUnit  = "coracle-api.socket"
	serviceUnit = "coracle-api.service"
	// socketPath is where Docker's clients look in a user's run directory (%t).
	socketPath = "docker.sock"
	idleTime   = "5m"
)

func apiUnits(e *command.Env) (socket, service *systemd.Unit, err error) {
	program, err := os.Executable()
	if err != nil {
		return nil, nil, fmt.Errorf("find own program: %w", err)
	}
	words := []string{systemd.Literal(program)}
	if e.Root != "" {
		root, err := filepath.Abs(e.Root)
		if err != nil {
			return nil, nil, err
		}
		words = append(words, "--root", systemd.Literal(root))
	}
	socket, service = &systemd.Unit{}, &systemd.Unit{}
	socket.Section("Unit").Add("Description", "Docker's API, by coracle")
	s := socket.Section("Socket")
	s.Add("ListenStream", "%t/"+socketPath)
	s.Add("SocketMode", "0600")
	socket.Section("Install").Add("WantedBy", "sockets.target")
	u := service.Section("Unit")
	u.Add("Description", "Docker's API, by coracle")
	u.Add("Requires", socketUnit)
	u.Add("After", socketUnit)
	s = service.Section("Service")
	s.Add("Type", "exec")
	s.Add("ExecStart", systemd.Quote(append(words, "api", "--time", idleTime)...))
	s.Add("KillMode", "process") // containers that it has started go on
	s.Add("Delegate", "yes")     // for their limits
	return socket, service, nil
}

func install(ctx context.Context, e *command.Env) error {
	socket, service, err := apiUnits(e)
	if err != nil {
		return err
	}
	dir, err := systemd.UserDir()
	if err != nil {
		return err
	}
	for _, u := range []struct {
		name string
		unit *systemd.Unit
	}{{serviceUnit, service}, {socketUnit, socket}} {
		if err := dir.Install(u.name, u.unit); err != nil {
			return err
		}
		fmt.Fprintln(e.Stdout, filepath.Join(string(dir), u.name))
	}
	reload(ctx, e)
	fmt.Fprintf(e.Stderr, "begin now: systemctl --user start %s; clients find it with DOCKER_HOST=unix://$XDG_RUNTIME_DIR/%s\n", socketUnit, socketPath)
	return nil
}

func uninstall(ctx context.Context, e *command.Env) error {
	dir, err := systemd.UserDir()
	if err != nil {
		return err
	}
	missing := 0
	for _, name := range []string{socketUnit, serviceUnit} {
		err := dir.Remove(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			missing++
		case err != nil:
			return err
		}
	}
	if missing == 2 {
		return command.Errorf("there are no units of the API")
	}
	reload(ctx, e)
	fmt.Fprintf(e.Stderr, "end it now: systemctl --user stop %s %s\n", socketUnit, serviceUnit)
	return nil
}

// reload lets the user's manager see what was written, or says who has to.
func reload(ctx context.Context, e *command.Env) {
	if err := systemd.Reload(ctx); errors.Is(err, systemd.ErrNoManager) {
		fmt.Fprintln(e.Stderr, "your systemd does not answer here: in a session of yours, systemctl --user daemon-reload")
	} else if err != nil {
		command.Tell(e, err)
	}
}
