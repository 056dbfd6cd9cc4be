// SPDX-License-Identifier: Apache-2.0

// Dockertest does what dockertest is used for, and what dashboards do with
// go-dockerclient, the library that Go had before Docker's own: ctop's calls are among
// them. It checks what it gets, leaves nothing behind, and ends with 1 after a wrong
// answer. There are the images busybox and served:1, a server of pages.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	docker "github.com/fsouza/go-dockerclient"
	"github.com/ory/dockertest/v3"
)

func main() {
	if err := errors.Join(tests(), dashboard()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// tests is a test's life: a server, in a network, and an image that is built for it.
func tests() error {
	pool, err := dockertest.NewPool("")
	if err != nil {
		return err
	}
	network, err := pool.CreateNetwork("tests")
	if err != nil {
		return err
	}
	server, err := pool.RunWithOptions(&dockertest.RunOptions{Repository: "served", Tag: "1", ExposedPorts: []string{"80/tcp"}, Networks: []*dockertest.Network{network}})
	if err != nil {
		return err
	}
	if err := errors.Join(server.Expire(120), pool.Retry(func() error { return get("http://" + server.GetHostPort("80/tcp") + "/") })); err != nil {
		return err
	}
	var out bytes.Buffer
	code, err := server.Exec([]string{"sh", "-c", "echo inside; exit 4"}, dockertest.ExecOptions{StdOut: &out})
	if err != nil || code != 4 || out.String() != "inside\n" {
		return fmt.Errorf("exec: %d %q: %w", code, out.String(), err)
	}
	if ip := server.GetIPInNetwork(network); ip == "" {
		return errors.New("it has no address in the network")
	}
	if err := errors.Join(os.Mkdir("built", 0o700), os.WriteFile("built/Dockerfile", []byte("FROM busybox\nRUN echo built > /b\nCMD [\"sleep\", \"100\"]\n"), 0o600)); err != nil {
		return err
	}
	built, err := pool.BuildAndRun("built", "built/Dockerfile", []string{"A=b"})
	if err != nil {
		return err
	}
	return errors.Join(pool.Purge(built), pool.Purge(server), network.Close())
}

func get(url string) error {
	page, err := http.Get(url)
	if err != nil {
		return err
	}
	defer page.Body.Close()
	if text, err := io.ReadAll(page.Body); err != nil || string(text) != "served\n" {
		return fmt.Errorf("the page is %q: %w", text, err)
	}
	return nil
}

// dashboard sees a container come, run and go.
func dashboard() error {
	c, err := docker.NewClientFromEnv()
	if err != nil {
		return err
	}
	events := make(chan *docker.APIEvents, 100)
	if err := c.AddEventListener(events); err != nil {
		return err
	}
	box, err := c.CreateContainer(docker.CreateContainerOptions{Name: "box", HostConfig: &docker.HostConfig{}, Config: &docker.Config{
		Image: "busybox", Cmd: []string{"sh", "-c", "echo begins; cat; exec sleep 1000"}, OpenStdin: true, StdinOnce: true, AttachStdin: true, AttachStdout: true, AttachStderr: true}})
	if err != nil {
		return err
	}
	attached, said := make(chan struct{}), bytes.Buffer{}
	watch, err := c.AttachToContainerNonBlocking(docker.AttachToContainerOptions{Container: box.ID, InputStream: strings.NewReader("typed\n"), OutputStream: &said, ErrorStream: &said,
		Stream: true, Stdin: true, Stdout: true, Stderr: true, Success: attached})
	if err != nil {
		return err
	}
	<-attached
	attached <- struct{}{}
	if err := c.StartContainer(box.ID, nil); err != nil {
		return err
	}
	if err := look(c, box.ID); err != nil {
		return err
	}
	if err := c.StopContainer(box.ID, 0); err != nil {
		return err
	}
	if code, err := c.WaitContainer(box.ID); err != nil || code != 137 {
		return fmt.Errorf("wait: %d: %w", code, err)
	}
	if err := errors.Join(watch.Wait(), c.RemoveContainer(docker.RemoveContainerOptions{ID: box.ID, Force: true})); err != nil || said.String() != "begins\ntyped\n" {
		return fmt.Errorf("attached, it said %q: %w", said.String(), err)
	}
	return heard(events)
}

// look reads what a dashboard shows of a container that runs.
func look(c *docker.Client, id string) error {
	list, err := c.ListContainers(docker.ListContainersOptions{All: true, Size: true, Filters: map[string][]string{"name": {"box"}}})
	if err != nil || len(list) != 1 || list[0].State != "running" || !slices.Equal(list[0].Names, []string{"/box"}) {
		return fmt.Errorf("list: %+v: %w", list, err)
	}
	one, err := c.InspectContainerWithOptions(docker.InspectContainerOptions{ID: id, Size: true})
	if err != nil || !one.State.Running || one.NetworkSettings.Networks["bridge"].IPAddress == "" {
		return fmt.Errorf("inspect: %+v: %w", one, err)
	}
	for begun, log := time.Now(), ""; log != "begins\ntyped\n"; {
		var out bytes.Buffer
		if err := c.Logs(docker.LogsOptions{Container: id, OutputStream: &out, ErrorStream: &out, Stdout: true, Stderr: true, Tail: "10"}); err != nil || time.Since(begun) > 20*time.Second {
			return fmt.Errorf("logs: %q: %w", out.String(), err)
		}
		log = out.String()
	}
	ctx, cancel := context.WithCancel(context.Background())
	stats, ended := make(chan *docker.Stats), make(chan error, 1)
	go func() { ended <- c.Stats(docker.StatsOptions{ID: id, Stats: stats, Stream: true, Context: ctx}) }()
	for range 2 {
		if s := <-stats; s == nil || s.Read.IsZero() || s.MemoryStats.Usage == 0 {
			return fmt.Errorf("stats: %+v", s)
		}
	}
	cancel()
	for range stats { // until the library closes it
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		return fmt.Errorf("stats: %w", err)
	}
	return nil
}

// heard checks the events until the container has gone.
func heard(events chan *docker.APIEvents) error {
	var all []string
	for end := time.After(20 * time.Second); !slices.Contains(all, "destroy"); {
		select {
		case e := <-events:
			if e.Type == "container" {
				all = append(all, e.Action)
			}
		case <-end:
			return fmt.Errorf("events: only %v", all)
		}
	}
	for _, want := range []string{"create", "attach", "start", "die", "stop", "destroy"} {
		if !slices.Contains(all, want) {
			return fmt.Errorf("events: %v lack %s", all, want)
		}
	}
	return nil
}
