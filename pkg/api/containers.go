// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"time"

	moby "github.com/moby/moby/api/types/container"

	"coracle/pkg/container"
	"coracle/pkg/container/client"
	"coracle/pkg/container/control"
	"coracle/pkg/container/create"
	"coracle/pkg/container/look"
	"coracle/pkg/docker"
	"coracle/pkg/state"
	"coracle/pkg/trash"
)

func containerEndpoints() []endpoint {
	return []endpoint{
		{"GET", "/containers/json", listContainers, ""},
		{"POST", "/containers/create", createContainer, ""},
		{"POST", "/containers/prune", pruneContainers, "1.25"},
		{"GET", "/containers/{name}/json", inspectContainer, ""},
		{"POST", "/containers/{name}/start", startContainer, ""},
		{"POST", "/containers/{name}/stop", stopContainer, ""},
		{"POST", "/containers/{name}/restart", restartContainer, ""},
		{"POST", "/containers/{name}/kill", killContainer, ""},
		{"POST", "/containers/{name}/pause", onContainer(func(ctx context.Context, _ *container.Store, ctr *container.Container) error {
			return client.Pause(ctx, ctr)
		}), ""},
		{"POST", "/containers/{name}/unpause", onContainer(func(ctx context.Context, _ *container.Store, ctr *container.Container) error {
			return client.Unpause(ctx, ctr)
		}), ""},
		{"POST", "/containers/{name}/rename", renameContainer, ""},
		{"POST", "/containers/{name}/update", updateContainer, ""},
		{"POST", "/containers/{name}/wait", waitContainer, ""},
		{"POST", "/containers/{name}/resize", resizeContainer, ""},
		{"GET", "/containers/{name}/top", topContainer, ""},
		{"DELETE", "/containers/{name}", removeContainer, ""},
	}
}

// container finds the container that a call is about.
func (c *call) container() (*container.Store, *container.Container, error) {
	cs := c.e.containers()
	ctr, err := cs.Lookup(c.name)
	return cs, ctr, err
}

// onContainer is the endpoint of a verb that needs nothing else, and answers nothing.
func onContainer(do func(context.Context, *container.Store, *container.Container) error) handler {
	return func(c *call) error {
		cs, ctr, err := c.container()
		if err == nil {
			err = do(c.ctx(), cs, ctr)
		}
		if err != nil {
			return err
		}
		return c.done(http.StatusNoContent)
	}
}

func listContainers(c *call) error {
	f, err := c.filters(docker.ContainerFilters)
	if err != nil {
		return err
	}
	for _, key := range []string{"since", "before"} { // filters by another name
		if v := c.text(key); v != "" {
			f[key] = append(f[key], v)
		}
	}
	q := look.Query{Filters: f, All: c.flag("all"), Size: c.flag("size")}
	last, err := c.number("limit")
	if err != nil {
		return err
	}
	if last != nil {
		q.Last = max(0, *last)
	}
	list, bad, err := look.List(c.ctx(), c.e.Dirs, q)
	if err != nil {
		return err
	}
	if bad != nil {
		c.e.logf("list containers: %v", bad)
	}
	answer := make([]moby.Summary, len(list))
	for i, s := range list {
		answer[i] = s.Summary
		if c.before("1.46") {
			answer[i].HostConfig.Annotations = nil
		}
		if c.before("1.52") {
			answer[i].Health = nil
		}
	}
	return c.answer(http.StatusOK, answer)
}

func inspectContainer(c *call) error {
	cs, ctr, err := c.container()
	if err != nil {
		return err
	}
	answer, err := look.Inspect(c.ctx(), cs, ctr, c.flag("size"))
	if err != nil {
		return err
	}
	if c.before("1.45") { // its short ID and host name counted as aliases
		for name, end := range answer.NetworkSettings.Networks {
			if moby.NetworkMode(name).IsUserDefined() {
				end.Aliases = union(end.Aliases, ctr.ID[:12], ctr.Process.Hostname)
			}
		}
	}
	return c.answer(http.StatusOK, answer)
}

// union is a list with more, each once.
func union(list []string, more ...string) []string {
	var all []string
	seen := map[string]bool{}
	for _, v := range append(append([]string{}, list...), more...) {
		if v != "" && !seen[v] {
			seen[v] = true
			all = append(all, v)
		}
	}
	return all
}

func startContainer(c *call) error {
	if c.r.ContentLength > 7 || c.r.ContentLength == -1 { // null, or {}
		return invalid("starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24")
	}
	if c.text("checkpoint") != "" || c.text("checkpoint-dir") != "" {
		return docker.Unsupported("checkpoint", "restoring a process needs root", "")
	}
	cs, ctr, err := c.container()
	switch {
	case err != nil:
		return err
	case ctr.State.Status == container.Paused:
		return docker.Refuse(docker.Conflict, "cannot start a paused container, try unpause instead")
	case ctr.State.IsRunning():
		return docker.Refuse(docker.NotModified, "container is already running")
	}
	if err := client.StartAlone(c.ctx(), cs, ctr, nil, nil); err != nil {
		return err
	}
	return c.done(http.StatusNoContent)
}

// stopRequest reads what stop and restart share: a signal, and seconds or nil.
func (c *call) stopRequest() (sig syscall.Signal, timeout *int, err error) {
	var q docker.StopRequest
	if !c.before("1.42") {
		q.Signal = c.text("signal")
	}
	if q.Timeout, err = c.number("t"); err == nil {
		sig, err = q.Number()
	}
	return sig, q.Timeout, err
}

func stopContainer(c *call) error {
	sig, timeout, err := c.stopRequest()
	if err != nil {
		return err
	}
	_, ctr, err := c.container()
	if err != nil {
		return err
	}
	if !ctr.State.IsRunning() {
		return docker.Refuse(docker.NotModified, "container is already stopped")
	}
	if err := client.Stop(c.ctx(), ctr, sig, timeout); err != nil {
		return err
	}
	return c.done(http.StatusNoContent)
}

func restartContainer(c *call) error {
	sig, timeout, err := c.stopRequest()
	if err != nil {
		return err
	}
	cs, ctr, err := c.container()
	if err != nil {
		return err
	}
	ctx, cancel := c.whole() // one that was stopped is started, whoever waits for that
	defer cancel()
	err = client.Restart(ctx, cs, ctr, sig, timeout, func(again *container.Container) error {
		return client.StartAlone(ctx, cs, again, nil, nil)
	})
	if err != nil {
		return fmt.Errorf("Cannot restart container %s: %w", c.name, err)
	}
	return c.done(http.StatusNoContent)
}

func killContainer(c *call) error {
	sig, err := docker.KillRequest{Signal: c.text("signal")}.Number()
	if err != nil {
		return err
	}
	_, ctr, err := c.container()
	if err == nil {
		err = client.Signal(c.ctx(), ctr, sig)
	}
	if err != nil {
		return fmt.Errorf("cannot kill container: %s: %w", c.name, err)
	}
	return c.done(http.StatusNoContent)
}

func renameContainer(c *call) error {
	name := strings.TrimPrefix(c.text("name"), "/")
	if name == "" {
		return invalid("Neither old nor new names may be empty")
	}
	return onContainer(func(ctx context.Context, cs *container.Store, ctr *container.Container) error {
		if ctr.Name == name {
			return invalid("Renaming a container with the same name as its current name")
		}
		return client.Rename(ctx, cs, ctr, name)
	})(c)
}

func updateContainer(c *call) error {
	var q docker.UpdateRequest
	if err := c.decode(&q); err != nil {
		return err
	}
	cs, ctr, err := c.container()
	if err != nil {
		return err
	}
	limits, restart, warnings, err := docker.Update(ctr, q, create.World(cs, nil))
	if err != nil {
		return err
	}
	if err := client.Update(c.ctx(), cs, ctr, limits, restart); err != nil {
		return err
	}
	return c.answer(http.StatusOK, moby.UpdateResponse{Warnings: texts(warnings)})
}

// texts are warnings as the interface has them.
func texts(list []docker.Warning) []string {
	all := []string{}
	for _, w := range list {
		all = append(all, withHint(w.Text, w.Hint))
	}
	return all
}

func waitContainer(c *call) error {
	cond := client.NotRunning
	if v := c.text("condition"); v != "" && !c.before("1.30") {
		switch cond = client.Condition(v); cond {
		case client.NotRunning, client.NextExit, client.Removed:
		default:
			return invalid("invalid condition: %q", v)
		}
	}
	cs, ctr, err := c.container()
	var gone *container.NotFoundError
	if errors.As(err, &gone) && cond != client.NextExit {
		if code, known := client.Parted(c.ctx(), cs, c.name); known {
			return c.answer(http.StatusOK, moby.WaitResponse{StatusCode: int64(code)})
		}
	}
	if err != nil {
		return err
	}
	w, err := client.Register(c.ctx(), cs, ctr, cond)
	if err != nil {
		return err
	}
	defer w.Close()
	out := (*stream)(nil)
	if !c.before("1.30") { // from then on whoever starts the container misses no end of it
		out = c.stream(http.StatusOK, "application/json")
	}
	code, err := w.Wait(c.ctx())
	answer := moby.WaitResponse{StatusCode: int64(code)}
	if err != nil {
		answer.Error = &moby.WaitExitError{Message: err.Error()}
	}
	if out == nil {
		return c.answer(http.StatusOK, answer)
	}
	_ = out.send(answer) // a client that has left
	return nil
}

// size reads what a terminal is to have.
func (c *call) size() (r control.Resize, err error) {
	for _, p := range []struct {
		key, name string
		to        *uint16
	}{{"h", "height", &r.Rows}, {"w", "width", &r.Cols}} {
		n, err := c.number(p.key)
		if err != nil || n == nil || *n < 0 || *n > 1<<16-1 {
			why := "invalid syntax"
			if err == nil && n != nil {
				why = "value out of range"
			}
			return r, invalid("invalid resize %s %q: %s", p.name, c.text(p.key), why)
		}
		*p.to = uint16(*n)
	}
	return r, nil
}

func resizeContainer(c *call) error {
	size, err := c.size()
	if err != nil {
		return err
	}
	_, ctr, err := c.container()
	if err == nil {
		err = client.Resize(c.ctx(), ctr, size)
	}
	if err != nil {
		return err
	}
	return c.done(http.StatusOK)
}

func topContainer(c *call) error {
	cols, err := docker.ParseColumns(strings.Fields(c.text("ps_args")))
	if err != nil {
		return err
	}
	cs, ctr, err := c.container()
	if err != nil {
		return err
	}
	list, err := ctr.Processes()
	if err != nil {
		return err
	}
	cs.Event(&ctr.Record, "top", nil)
	return c.answer(http.StatusOK, moby.TopResponse{Titles: cols.Titles(), Processes: cols.Rows(list, time.Now())})
}

func removeContainer(c *call) error {
	if c.flag("link") {
		return docker.Unsupported("link", "links were replaced by names on networks", "")
	}
	ctx, cancel := c.whole() // one that was killed for it goes
	defer cancel()
	cs, ctr, err := c.container()
	force := c.flag("force")
	var damaged *container.DamagedError
	switch {
	case errors.As(err, &damaged) && force:
		if err = cs.RemoveDamaged(ctx, damaged.ID); errors.Is(err, state.ErrNeedsUserNS) {
			err = nil
		}
	case err == nil:
		err = client.Remove(ctx, cs, ctr, force, c.flag("v"))
	}
	if err == nil {
		err = trash.Empty(ctx, c.e.Dirs)
	}
	if err != nil {
		return err
	}
	return c.done(http.StatusNoContent)
}

func pruneContainers(c *call) error {
	f, err := c.filters(func(list []string) (docker.Filters, error) { return docker.PruneFilters(list) })
	if err != nil {
		return err
	}
	done, err := container.Prune(c.ctx(), c.e.containers(), func(ctr *container.Container) bool { return f.MatchPrune(ctr.Labels, ctr.Created) })
	for _, err := range done.Failed {
		c.e.logf("prune: %v", err)
	}
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, struct {
		ContainersDeleted []string
		SpaceReclaimed    uint64
	}{done.IDs, uint64(max(0, done.Freed))})
}
