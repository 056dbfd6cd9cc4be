// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
)

// box starts a container that runs on.
func (r *run) box(name string, command ...string) (string, error) {
	made, err := r.c.ContainerCreate(r, client.ContainerCreateOptions{
		Name: name, Config: &container.Config{Image: "built:1", Cmd: command, Labels: map[string]string{"of": "test"}},
		HostConfig: &container.HostConfig{NetworkMode: "net", Binds: []string{"vol:/data"}},
	})
	if err != nil {
		return "", err
	}
	_, err = r.c.ContainerStart(r, made.ID, client.ContainerStartOptions{})
	return made.ID, err
}

func (r *run) containers() error {
	since := time.Now()
	id, err := r.box("box", "sleep", "1000")
	if err != nil {
		return err
	}
	i, err := r.c.ContainerInspect(r, "box", client.ContainerInspectOptions{Size: true})
	if err != nil {
		return err
	}
	r.check("inspect", i.Container.ID == id && i.Container.State.Running && i.Container.NetworkSettings.Networks["net"].IPAddress.IsValid(), i.Container)
	list, err := r.c.ContainerList(r, client.ContainerListOptions{All: true, Filters: make(client.Filters).Add("label", "of=test")})
	r.check("list", err == nil && len(list.Items) == 1 && list.Items[0].Names[0] == "/box", list)
	on, err := r.c.NetworkInspect(r, "net", client.NetworkInspectOptions{})
	r.check("who is on a network", err == nil && on.Network.Containers[id].Name == "box", on.Network)
	_, err = r.c.NetworkRemove(r, "net", client.NetworkRemoveOptions{})
	r.check("a network in use", err != nil && strings.Contains(err.Error(), "has active endpoints"), err)
	_, err = r.c.VolumeRemove(r, "vol", client.VolumeRemoveOptions{})
	r.check("a volume in use", err != nil && strings.Contains(err.Error(), "volume is in use"), err)
	for name, do := range map[string]func() error{
		"disconnect": func() error {
			_, err := r.c.NetworkDisconnect(r, "net", client.NetworkDisconnectOptions{Container: id})
			return err
		},
		"top": func() error {
			top, err := r.c.ContainerTop(r, id, client.ContainerTopOptions{})
			r.check("top", len(top.Processes) == 1, top)
			return err
		},
		"stats": func() error {
			s, err := r.c.ContainerStats(r, id, client.ContainerStatsOptions{})
			text, err := read(s.Body, err)
			r.check("stats", strings.Contains(text, id), text)
			return err
		},
		"update": func() error {
			_, err := r.c.ContainerUpdate(r, id, client.ContainerUpdateOptions{RestartPolicy: &container.RestartPolicy{Name: "on-failure", MaximumRetryCount: 2}})
			return err
		},
	} {
		if err := do(); err != nil {
			r.wrong("%s: %v", name, err)
		}
	}
	if _, err := r.c.NetworkConnect(r, "net", client.NetworkConnectOptions{Container: id, EndpointConfig: &network.EndpointSettings{Aliases: []string{"alias"}}}); err != nil {
		return err
	}
	if _, err := r.c.ContainerPause(r, id, client.ContainerPauseOptions{}); err == nil { // it takes a cgroup
		if _, err := r.c.ContainerUnpause(r, id, client.ContainerUnpauseOptions{}); err != nil {
			return err
		}
	}
	if _, err := r.c.ContainerRename(r, id, client.ContainerRenameOptions{NewName: "crate"}); err != nil {
		return err
	}
	timeout := 1
	if _, err := r.c.ContainerRestart(r, "crate", client.ContainerRestartOptions{Timeout: &timeout}); err != nil {
		return err
	}
	wait := r.c.ContainerWait(r, id, client.ContainerWaitOptions{Condition: container.WaitConditionNextExit})
	if _, err := r.c.ContainerKill(r, id, client.ContainerKillOptions{Signal: "KILL"}); err != nil {
		return err
	}
	select {
	case got := <-wait.Result:
		r.check("wait", got.StatusCode == 137, got)
	case err := <-wait.Error:
		return err
	}
	if _, err := r.c.ContainerStop(r, id, client.ContainerStopOptions{}); err != nil { // it is so already
		return err
	}
	made, err := r.c.ContainerCommit(r, id, client.ContainerCommitOptions{Reference: "committed:1", Comment: "why", Config: &container.Config{Env: []string{"C=d"}}})
	r.check("commit", err == nil && strings.HasPrefix(made.ID, "sha256:"), err)
	if _, err := r.c.ContainerRemove(r, id, client.ContainerRemoveOptions{Force: true}); err != nil {
		return err
	}
	return r.events(since, id)
}

// events are those of the life of a container, in their order.
func (r *run) events(since time.Time, id string) error {
	ctx, cancel := context.WithCancel(r)
	defer cancel()
	ev := r.c.Events(ctx, client.EventsListOptions{
		Since: fmt.Sprintf("%d.%09d", since.Unix(), since.Nanosecond()), Until: fmt.Sprint(time.Now().Unix() + 1), Filters: make(client.Filters).Add("container", id),
	})
	var actions []string
	for {
		select {
		case m := <-ev.Messages:
			actions = append(actions, string(m.Action))
		case err := <-ev.Err:
			got := strings.Join(actions, " ")
			r.check("events", strings.HasPrefix(got, "create start ") && strings.HasSuffix(got, "destroy") && strings.Contains(got, "rename") && strings.Contains(got, "kill die"), got)
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}

func (r *run) streams() error {
	made, err := r.c.ContainerCreate(r, client.ContainerCreateOptions{
		Config: &container.Config{Image: "built:1", Cmd: []string{"sh", "-c", "cat; echo end >&2"}, OpenStdin: true, StdinOnce: true, AttachStdin: true},
	})
	if err != nil {
		return err
	}
	a, err := r.c.ContainerAttach(r, made.ID, client.ContainerAttachOptions{Stream: true, Stdin: true, Stdout: true, Stderr: true})
	if err != nil {
		return err
	}
	defer a.Close()
	if _, err := r.c.ContainerStart(r, made.ID, client.ContainerStartOptions{}); err != nil {
		return err
	}
	if _, err := io.WriteString(a.Conn, "through\n"); err != nil {
		return err
	}
	if err := a.CloseWrite(); err != nil {
		return err
	}
	var out, errs bytes.Buffer
	if _, err := stdcopy.StdCopy(&out, &errs, a.Reader); err != nil {
		return err
	}
	r.check("attach", out.String() == "through\n" && errs.String() == "end\n", out.String()+errs.String())
	logs, err := r.c.ContainerLogs(r, made.ID, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Follow: true})
	if err != nil {
		return err
	}
	defer logs.Close()
	out.Reset()
	if _, err := stdcopy.StdCopy(&out, io.Discard, logs); err != nil {
		return err
	}
	r.check("logs", out.String() == "through\n", out.String())
	_, err = r.c.ContainerRemove(r, made.ID, client.ContainerRemoveOptions{RemoveVolumes: true})
	return err
}

func (r *run) files() error {
	id, err := r.box("files", "sleep", "1000")
	if err != nil {
		return err
	}
	if _, err := r.c.CopyToContainer(r, id, client.CopyToContainerOptions{DestinationPath: "/tmp", Content: archive("f", "text")}); err != nil {
		return err
	}
	st, err := r.c.ContainerStatPath(r, id, client.ContainerStatPathOptions{Path: "/tmp/f"})
	r.check("stat", err == nil && st.Stat.Name == "f" && st.Stat.Size == 4, st)
	out, err := r.c.CopyFromContainer(r, id, client.CopyFromContainerOptions{SourcePath: "/tmp/f"})
	data, err := read(out.Content, err)
	r.check("copy", err == nil && strings.Contains(data, "text") && out.Stat.Name == "f", err)
	d, err := r.c.ContainerDiff(r, id, client.ContainerDiffOptions{})
	r.check("diff", err == nil && len(d.Changes) > 0, d)
	e, err := r.c.ContainerExport(r, id, client.ContainerExportOptions{})
	data, err = read(e, err)
	r.check("export", err == nil && strings.Contains(data, "tmp/f"), err)
	return nil
}

func (r *run) exec() error {
	x, err := r.c.ExecCreate(r, "files", client.ExecCreateOptions{Cmd: []string{"sh", "-c", "cat; echo $A >&2; exit 4"}, AttachStdin: true, AttachStdout: true, AttachStderr: true, Env: []string{"A=b"}, WorkingDir: "/tmp"})
	if err != nil {
		return err
	}
	a, err := r.c.ExecAttach(r, x.ID, client.ExecAttachOptions{})
	if err != nil {
		return err
	}
	defer a.Close()
	_, err = io.WriteString(a.Conn, "in")
	if err := errors.Join(err, a.CloseWrite()); err != nil {
		return err
	}
	var out, errs bytes.Buffer
	if _, err := stdcopy.StdCopy(&out, &errs, a.Reader); err != nil {
		return err
	}
	r.check("exec", out.String() == "in" && errs.String() == "b\n", out.String()+errs.String())
	i, err := r.c.ExecInspect(r, x.ID, client.ExecInspectOptions{})
	r.check("its end", err == nil && !i.Running && i.ExitCode == 4, i)
	x, err = r.c.ExecCreate(r, "files", client.ExecCreateOptions{Cmd: []string{"sleep", "1000"}, TTY: true})
	if err != nil {
		return err
	}
	if _, err := r.c.ExecStart(r, x.ID, client.ExecStartOptions{Detach: true, TTY: true}); err != nil {
		return err
	}
	if _, err := r.c.ExecResize(r, x.ID, client.ExecResizeOptions{Height: 20, Width: 100}); err != nil {
		return err
	}
	_, err = r.c.ContainerRemove(r, "files", client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	return err
}
