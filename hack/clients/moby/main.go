// SPDX-License-Identifier: Apache-2.0

// Moby makes the calls that Docker's library for Go has, one after the other, at
// the engine that DOCKER_HOST names, and checks the answers. There is the image
// busybox, and nothing else. It ends with 1 after a wrong answer. `moby reap` is the
// reaper of testcontainers instead.
package main

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
)

// run is what the calls share.
type run struct {
	context.Context
	c      *client.Client
	failed bool
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Second)
	defer cancel()
	c, err := client.New(client.FromEnv)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer c.Close()
	if len(os.Args) > 1 && os.Args[1] == "reap" {
		if err := reap(ctx, c); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	r := &run{Context: ctx, c: c}
	for _, part := range []struct {
		name string
		do   func() error
	}{
		{"system", r.system}, {"builds", r.builds}, {"images", r.images}, {"networks", r.networks}, {"volumes", r.volumes}, {"containers", r.containers},
		{"streams", r.streams}, {"files", r.files}, {"exec", r.exec}, {"prunes", r.prunes}, {"what is not there", r.absent},
	} {
		if err := part.do(); err != nil {
			r.wrong("%s: %v", part.name, err)
		}
	}
	if r.failed {
		os.Exit(1)
	}
}

func (r *run) wrong(format string, args ...any) {
	r.failed = true
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

// check tells of an answer that is not what it should be.
func (r *run) check(what string, ok bool, got any) {
	if !ok {
		r.wrong("%s: %+v", what, got)
	}
}

// read takes all that an answer has.
func read(in io.ReadCloser, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer in.Close()
	data, err := io.ReadAll(in)
	return string(data), err
}

func archive(files ...string) io.Reader {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		_ = w.WriteHeader(&tar.Header{Name: files[i], Size: int64(len(files[i+1])), Mode: 0o644})
		_, _ = io.WriteString(w, files[i+1])
	}
	w.Close()
	return &b
}

func (r *run) system() error {
	p, err := r.c.Ping(r, client.PingOptions{NegotiateAPIVersion: true})
	if err != nil {
		return err
	}
	r.check("ping", p.APIVersion != "" && p.OSType == "linux" && p.BuilderVersion == "1", p)
	v, err := r.c.ServerVersion(r, client.ServerVersionOptions{})
	if err != nil {
		return err
	}
	r.check("version", v.APIVersion == p.APIVersion && v.APIVersion == r.c.ClientVersion(), v)
	i, err := r.c.Info(r, client.InfoOptions{})
	if err != nil {
		return err
	}
	r.check("info", i.Info.OSType == "linux" && i.Info.Images == 1 && i.Info.MemTotal > 0, i)
	_, err = r.c.DiskUsage(r, client.DiskUsageOptions{Images: true, Containers: true, Volumes: true, BuildCache: true})
	return err
}

func (r *run) builds() error {
	one := "x"
	b, err := r.c.ImageBuild(r, archive("Dockerfile", "FROM busybox\nARG A\nRUN echo $A > /a\nCMD [\"cat\", \"/a\"]\n"), client.ImageBuildOptions{
		Tags: []string{"built:1"}, Remove: true, BuildArgs: map[string]*string{"A": &one}, Labels: map[string]string{"l": "m"}, Version: "1",
	})
	out, err := read(b.Body, err)
	if err != nil {
		return err
	}
	r.check("build", strings.Contains(out, `{"stream":"Successfully tagged built:1\n"}`), out)
	_, err = r.c.BuildCancel(r, "x", client.BuildCancelOptions{})
	r.check("cancel of no build", err == nil, err)
	_, err = r.c.ImageBuild(r, archive("f", ""), client.ImageBuildOptions{})
	r.check("no Dockerfile", err != nil && strings.Contains(err.Error(), "Cannot locate specified Dockerfile"), err)
	return nil
}

func (r *run) images() error {
	list, err := r.c.ImageList(r, client.ImageListOptions{Filters: make(client.Filters).Add("label", "l=m"), SharedSize: true})
	if err != nil {
		return err
	}
	r.check("list", len(list.Items) == 1 && list.Items[0].RepoTags[0] == "built:1" && list.Items[0].SharedSize > 0, list)
	img, err := r.c.ImageInspect(r, "built:1")
	if err != nil {
		return err
	}
	r.check("inspect", img.Config.Labels["l"] == "m" && img.ID == list.Items[0].ID, img)
	h, err := r.c.ImageHistory(r, "built:1")
	if err != nil {
		return err
	}
	r.check("history", h.Items[0].ID == img.ID, h)
	if _, err := r.c.ImageTag(r, client.ImageTagOptions{Source: "built:1", Target: "again:2"}); err != nil {
		return err
	}
	saved, err := r.c.ImageSave(r, []string{"again:2"})
	data, err := read(saved, err)
	if err != nil {
		return err
	}
	gone, err := r.c.ImageRemove(r, "again:2", client.ImageRemoveOptions{PruneChildren: true})
	if err != nil {
		return err
	}
	r.check("remove", gone.Items[0].Untagged == "again:2", gone)
	loaded, err := r.c.ImageLoad(r, strings.NewReader(data), client.ImageLoadWithQuiet(false))
	out, err := read(loaded, err)
	r.check("load", err == nil && strings.Contains(out, "Loaded image: again:2"), out)
	imported, err := r.c.ImageImport(r, client.ImageImportSource{Source: archive("f", "text"), SourceName: "-"}, "imported:1", client.ImageImportOptions{Changes: []string{"ENV A=b"}})
	out, err = read(imported, err)
	r.check("import", err == nil && strings.Contains(out, "sha256:"), out)
	_, err = r.c.ImageInspect(r, "nosuch")
	r.check("no image", err != nil && strings.HasSuffix(err.Error(), "No such image: nosuch:latest"), err)
	_, err = r.c.ImageSearch(r, "127.0.0.1:1/x", client.ImageSearchOptions{Limit: 3})
	r.check("search at nobody's", err != nil && strings.Contains(err.Error(), "connection refused"), err)
	_, err = r.c.DistributionInspect(r, "127.0.0.1:1/x/y", client.DistributionInspectOptions{})
	r.check("distribution", err != nil, err)
	_, err = r.c.ImagePull(r, "127.0.0.1:1/x/y", client.ImagePullOptions{})
	r.check("pull of nobody", err != nil, err)
	pushed, err := r.c.ImagePush(r, "127.0.0.1:1/x/y", client.ImagePushOptions{RegistryAuth: "e30="})
	out, err = read(pushed, err)
	r.check("push of nothing", err != nil || strings.Contains(out, "errorDetail"), out)
	return nil
}

func (r *run) networks() error {
	n, err := r.c.NetworkCreate(r, "net", client.NetworkCreateOptions{
		Attachable: true, Labels: map[string]string{"a": "b"}, Options: map[string]string{"x": "y"},
		IPAM: &network.IPAM{Config: []network.IPAMConfig{{Subnet: netip.MustParsePrefix("10.94.0.0/24"), AuxAddress: map[string]netip.Addr{"r": netip.MustParseAddr("10.94.0.9")}}}},
	})
	if err != nil {
		return err
	}
	i, err := r.c.NetworkInspect(r, n.ID, client.NetworkInspectOptions{})
	if err != nil {
		return err
	}
	r.check("inspect", i.Network.Attachable && i.Network.Options["x"] == "y" && i.Network.IPAM.Config[0].AuxAddress["r"] == netip.MustParseAddr("10.94.0.9"), i.Network)
	list, err := r.c.NetworkList(r, client.NetworkListOptions{Filters: make(client.Filters).Add("label", "a=b")})
	r.check("list", err == nil && len(list.Items) == 1 && list.Items[0].ID == n.ID, list)
	_, err = r.c.NetworkCreate(r, "net", client.NetworkCreateOptions{})
	r.check("taken", err != nil && strings.HasSuffix(err.Error(), "network with name net already exists"), err)
	return nil
}

func (r *run) volumes() error {
	v, err := r.c.VolumeCreate(r, client.VolumeCreateOptions{Name: "vol", Labels: map[string]string{"a": "b"}})
	if err != nil {
		return err
	}
	r.check("create", v.Volume.Driver == "local" && v.Volume.Labels["a"] == "b", v)
	i, err := r.c.VolumeInspect(r, "vol", client.VolumeInspectOptions{})
	r.check("inspect", err == nil && i.Volume.CreatedAt == v.Volume.CreatedAt, i.Volume)
	list, err := r.c.VolumeList(r, client.VolumeListOptions{})
	r.check("list", err == nil && len(list.Items) == 1, list)
	_, err = r.c.VolumeInspect(r, "nosuch", client.VolumeInspectOptions{})
	r.check("no volume", err != nil && strings.HasSuffix(err.Error(), "get nosuch: no such volume"), err)
	return nil
}

func (r *run) prunes() error {
	id, err := r.c.ContainerCreate(r, client.ContainerCreateOptions{Name: "stopped", Config: &container.Config{Image: "busybox"}})
	if err != nil {
		return err
	}
	cp, err := r.c.ContainerPrune(r, client.ContainerPruneOptions{})
	r.check("containers", err == nil && len(cp.Report.ContainersDeleted) == 1 && cp.Report.ContainersDeleted[0] == id.ID, cp)
	np, err := r.c.NetworkPrune(r, client.NetworkPruneOptions{})
	r.check("networks", err == nil && len(np.Report.NetworksDeleted) == 1 && np.Report.NetworksDeleted[0] == "net", np)
	vp, err := r.c.VolumePrune(r, client.VolumePruneOptions{All: true})
	r.check("volumes", err == nil && len(vp.Report.VolumesDeleted) == 1, vp)
	ip, err := r.c.ImagePrune(r, client.ImagePruneOptions{Filters: make(client.Filters).Add("dangling", "false")})
	r.check("images", err == nil && len(ip.Report.ImagesDeleted) > 0, ip)
	_, err = r.c.BuildCachePrune(r, client.BuildCachePruneOptions{All: true})
	return err
}

// absent are calls of what needs a cluster, plugins or root: each is refused.
func (r *run) absent() error {
	for name, call := range map[string]func() error{
		"checkpoint": func() error { _, err := r.c.CheckpointList(r, "x", client.CheckpointListOptions{}); return err },
		"configs":    func() error { _, err := r.c.ConfigList(r, client.ConfigListOptions{}); return err },
		"nodes":      func() error { _, err := r.c.NodeList(r, client.NodeListOptions{}); return err },
		"secrets":    func() error { _, err := r.c.SecretList(r, client.SecretListOptions{}); return err },
		"services":   func() error { _, err := r.c.ServiceList(r, client.ServiceListOptions{}); return err },
		"swarm":      func() error { _, err := r.c.SwarmInspect(r, client.SwarmInspectOptions{}); return err },
		"tasks":      func() error { _, err := r.c.TaskList(r, client.TaskListOptions{}); return err },
		"volume":     func() error { _, err := r.c.VolumeUpdate(r, "x", client.VolumeUpdateOptions{}); return err },
	} {
		if call() == nil {
			r.wrong("%s: it is there", name)
		}
	}
	return nil
}
