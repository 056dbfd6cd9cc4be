// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"syscall"

	moby "github.com/moby/moby/api/types/container"

	"coracle/pkg/container"
	"coracle/pkg/container/control"
	"coracle/pkg/oci/spec"
)

// ExecRequest asks for another process in a container
// (POST /containers/{id}/exec).
type ExecRequest = moby.ExecCreateRequest

// ExecOptions is what a request for a process means. One that nothing is attached
// to runs on its own.
func ExecOptions(q ExecRequest) control.ExecOptions {
	o := control.ExecOptions{
		Args: q.Cmd, Env: spec.MergeEnv(nil, q.Env...), Cwd: q.WorkingDir, User: q.User, Tty: q.Tty, Privileged: q.Privileged,
		Stdin: q.AttachStdin, Detach: !q.AttachStdin && !q.AttachStdout && !q.AttachStderr,
	}
	if q.ConsoleSize != nil {
		o.Rows, o.Cols = uint16(q.ConsoleSize[0]), uint16(q.ConsoleSize[1])
	}
	return o
}

// StopRequest ends a container, or ends and starts it again
// (POST /containers/{id}/stop, and restart).
type StopRequest struct {
	Signal  string // "": the container's own
	Timeout *int   // seconds; nil: the container's own, -1: without end
}

// Number is the signal's number, 0 for the container's own.
func (q StopRequest) Number() (syscall.Signal, error) {
	if q.Signal == "" {
		return 0, nil
	}
	return signalNumber(q.Signal)
}

// KillRequest sends a signal to a container (POST /containers/{id}/kill).
type KillRequest struct {
	Signal string // "": KILL
}

// Number is the signal's number.
func (q KillRequest) Number() (syscall.Signal, error) {
	if q.Signal == "" {
		return syscall.SIGKILL, nil
	}
	return signalNumber(q.Signal)
}

func signalNumber(s string) (syscall.Signal, error) {
	sig, err := container.ParseSignal(s)
	if err != nil {
		return 0, invalid("%w", err)
	}
	return sig, nil
}

// InspectExec is the answer about a process beside the first one of a container
// (GET /exec/{id}/json).
func InspectExec(x *container.Exec) moby.ExecInspectResponse {
	o := x.Options
	answer := moby.ExecInspectResponse{
		ID: x.ID, Running: x.State.Running, ExitCode: x.State.Code, Pid: x.State.Pid, ContainerID: x.Container,
		OpenStdin: o.Stdin, OpenStdout: x.Stdout, OpenStderr: x.Stderr, DetachKeys: []byte(x.DetachKeys),
		ProcessConfig: &moby.ExecProcessConfig{Tty: o.Tty, User: o.User, Privileged: &o.Privileged, Arguments: []string{}},
	}
	if len(o.Args) > 0 {
		answer.ProcessConfig.Entrypoint, answer.ProcessConfig.Arguments = o.Args[0], list(o.Args[1:])
	}
	return answer
}
