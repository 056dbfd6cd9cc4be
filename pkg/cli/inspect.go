// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cgroup"
	"coracle/pkg/container"
	"coracle/pkg/container/logfile"
	"coracle/pkg/oci"
	"coracle/pkg/overlay"
)

func inspectFlags() []cli.Flag {
	return []cli.Flag{
		text("format", short("f"), "Format output using a custom template"),
		flag("size", short("s"), "Display total file sizes if the type is container"),
		text("type", nil, "Return JSON for specified type"),
	}
}

func inspectCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "inspect", Usage: "Return low-level information on Docker objects", ArgsUsage: "NAME|ID [NAME|ID...]", Flags: inspectFlags(),
		Action: func(c *cli.Context) error { return e.runInspect(c, c.String("type")) },
	}
}

func inspectContainerCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "inspect", Usage: "Display detailed information on one or more containers", ArgsUsage: "CONTAINER [CONTAINER...]", Flags: inspectFlags()[:2],
		Action: func(c *cli.Context) error { return e.runInspect(c, "container") },
	}
}

func inspectImageCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "inspect", Usage: "Display detailed information on one or more images", ArgsUsage: "IMAGE [IMAGE...]",
		Flags: append(inspectFlags()[:1], text("platform", nil, "Inspect a specific platform of the multi-platform image: an image here has one")),
		Action: func(c *cli.Context) error {
			if err := e.platformCheck(c, c.Args().Slice()...); err != nil {
				return err
			}
			return e.runInspect(c, "image")
		},
	}
}

// runInspect prints what was found, then says what was not.
func (e *env) runInspect(c *cli.Context, kind string) error {
	if err := e.needArgs(c, commandPath(c), 1, -1); err != nil {
		return err
	}
	var found []any
	var failed error
	for _, a := range c.Args().Slice() {
		o, err := e.find(a, kind, c.Bool("size"))
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		found = append(found, o)
	}
	err := e.inspect(c.String("format"), found)
	if err == nil && failed != nil {
		err = failed
	}
	return err
}

// find looks an object up among the kinds, containers first.
func (e *env) find(arg, kind string, size bool) (any, error) {
	var nc *container.NotFoundError
	var ni *oci.NotFoundError
	var nv *container.VolumeNotFoundError
	switch kind {
	case "", "container", "image", "volume":
	default:
		return nil, cliErrorf("%q is not a valid value for --type", kind)
	}
	cs, err := e.containers()
	if err != nil {
		return nil, err
	}
	if kind == "" || kind == "container" {
		ctr, err := cs.Lookup(arg)
		if err == nil {
			o := inspectContainer(cs, ctr)
			if size {
				err = e.addSizes(o, ctr)
			}
			return o, err
		}
		if kind != "" || !errors.As(err, &nc) {
			return nil, err
		}
	}
	if kind == "" || kind == "image" {
		o, err := e.inspectImage(arg)
		if err == nil || kind != "" || !errors.As(err, &ni) && !errors.Is(err, oci.ErrInvalidReference) {
			return o, err
		}
	}
	v, err := cs.LoadVolume(arg)
	if err == nil {
		return inspectVolume(cs, v), nil
	}
	if kind != "" || !errors.As(err, &nv) {
		return nil, err
	}
	return nil, cliErrorf("error: no such object: %s", arg)
}

// obj keeps inspect's output readable here; its keys are Docker's.
type obj map[string]any

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func inspectContainer(cs *container.Store, c *container.Container) obj {
	s, p := c.State, c.Process
	args := p.Args()
	path := ""
	if len(args) > 0 {
		path, args = args[0], args[1:]
	}
	logPath := ""
	if d := c.Life.LogDriver; d == logfile.JSONFile || d == logfile.Local {
		logPath = filepath.Join(c.Dir(), container.LogName)
	}
	files := filepath.Join(c.Dir(), "files")
	if id := c.Net.OnNetworkOf(); id != "" {
		files = filepath.Join(cs.Dirs().Container(id), "files")
	}
	o := obj{
		"Id": c.ID, "Created": stamp(c.Created), "Path": path, "Args": strs(args),
		"State": obj{
			"Status": s.Status, "Running": s.IsRunning(), "Paused": s.Status == container.Paused, "Restarting": s.Status == container.Restarting,
			"OOMKilled": s.OOMKilled, "Dead": false, "Pid": s.Pid, "ExitCode": s.ExitCode, "Error": s.Error,
			"StartedAt": stamp(s.StartedAt), "FinishedAt": stamp(s.FinishedAt),
		},
		"Image": "sha256:" + c.ImageID, "Name": "/" + c.Name, "RestartCount": s.Restarts, "Driver": "overlay", "Platform": c.Platform,
		"ResolvConfPath": filepath.Join(files, "resolv.conf"), "HostnamePath": filepath.Join(files, "hostname"),
		"HostsPath": filepath.Join(files, "hosts"), "LogPath": logPath, "MountLabel": "", "ProcessLabel": "",
		"AppArmorProfile": "", "ExecIDs": nil,
		"HostConfig": hostConfig(c),
		"GraphDriver": obj{"Name": "overlay", "Data": obj{
			"UpperDir": filepath.Join(c.Dir(), "upper"), "WorkDir": filepath.Join(c.Dir(), "work"), "MergedDir": filepath.Join(c.Dir(), "rootfs"),
		}},
		"Mounts":          mountPoints(cs, c),
		"Config":          containerConfig(c),
		"NetworkSettings": networkSettings(cs, c),
	}
	if s.Health != nil {
		o["State"].(obj)["Health"] = s.Health
	}
	return o
}

func strs(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

func containerConfig(c *container.Container) obj {
	p := c.Process
	exposed := obj{}
	for _, port := range c.Net.Exposed {
		exposed[port] = obj{}
	}
	return obj{
		"Hostname": p.Hostname, "Domainname": p.Domainname, "User": p.User, "AttachStdin": p.AttachStdin, "AttachStdout": p.AttachStdout,
		"AttachStderr": p.AttachStderr, "ExposedPorts": exposed, "Tty": p.Tty, "OpenStdin": p.OpenStdin, "StdinOnce": p.StdinOnce,
		"Env": strs(p.Env), "Cmd": p.Cmd, "Image": c.Image, "WorkingDir": p.Cwd, "Entrypoint": p.Entrypoint, "Labels": c.Labels,
		"Healthcheck": healthConfig(c.Health),
		"StopSignal":  c.Life.StopSignal, "StopTimeout": c.Life.StopTimeout,
	}
}

func hostConfig(c *container.Container) obj {
	binds := []string{}
	for _, m := range c.Mounts {
		if m.Type == container.MountBind {
			b := m.Source + ":" + m.Target
			if m.ReadOnly {
				b += ":ro"
			}
			binds = append(binds, b)
		}
	}
	bindings := obj{}
	for _, p := range c.Net.Publish {
		ip := ""
		if p.HostIP.IsValid() {
			ip = p.HostIP.String()
		}
		key := fmt.Sprintf("%d/%s", p.ContainerPort, p.Proto)
		list, _ := bindings[key].([]obj)
		bindings[key] = append(list, obj{"HostIp": ip, "HostPort": portText(p.HostPort)})
	}
	f := c.Safety
	devices := []obj{}
	for _, d := range f.Devices {
		devices = append(devices, obj{"PathOnHost": d.Source, "PathInContainer": d.Target, "CgroupPermissions": d.Permissions})
	}
	conf := obj{
		"Init": c.Life.Init, "Devices": devices, "Annotations": c.Annotations,
		"PidMode": modeText(f.HostPID, ""), "UTSMode": modeText(f.HostUTS, ""), "IpcMode": modeText(f.HostIPC, "private"), "CgroupnsMode": modeText(f.HostCgroup, "private"),
		"Binds": binds, "NetworkMode": c.Net.Mode, "PortBindings": bindings, "AutoRemove": c.Life.AutoRemove,
		"RestartPolicy": obj{"Name": c.Life.Restart.Name, "MaximumRetryCount": c.Life.Restart.Max},
		"LogConfig":     obj{"Type": c.Life.LogDriver, "Config": c.Life.LogOpts}, "CapAdd": f.CapAdd, "CapDrop": f.CapDrop,
		"Dns": strs(c.Net.DNS), "DnsOptions": strs(c.Net.DNSOptions), "DnsSearch": strs(c.Net.DNSSearch), "ExtraHosts": c.Net.AddHosts,
		"GroupAdd": c.Process.GroupAdd, "Privileged": f.Privileged, "PublishAllPorts": c.Net.PublishAll, "ReadonlyRootfs": f.ReadOnlyRootfs,
		"ShmSize": c.Limits.ShmSize, "Sysctls": c.Limits.Sysctls, "Ulimits": c.Limits.Ulimits, "OomScoreAdj": c.Limits.OomScoreAdj,
		"CgroupParent": c.Limits.CgroupParent,
	}
	maps.Copy(conf, limitConfig(c.Limits.Cgroup))
	return conf
}

// limitConfig are the limits under Docker's names.
func limitConfig(l cgroup.Limits) obj {
	rates := map[string][]obj{}
	for _, r := range l.IO {
		rates[r.Key] = append(rates[r.Key], obj{"Path": r.Device, "Rate": r.Value})
	}
	return obj{
		"Memory": l.Memory, "MemorySwap": l.MemorySwap, "MemoryReservation": l.MemoryReservation, "NanoCpus": l.NanoCPUs,
		"CpuPeriod": l.CPUPeriod, "CpuQuota": l.CPUQuota, "CpuShares": l.CPUShares, "CpusetCpus": l.CpusetCpus, "CpusetMems": l.CpusetMems,
		"PidsLimit": l.PidsLimit, "BlkioWeight": l.BlkioWeight, "BlkioDeviceReadBps": rates["rbps"], "BlkioDeviceWriteBps": rates["wbps"],
		"BlkioDeviceReadIOps": rates["riops"], "BlkioDeviceWriteIOps": rates["wiops"],
	}
}

// healthConfig is the health check under Docker's names, or nil.
func healthConfig(h *container.HealthCheck) any {
	if h == nil {
		return nil
	}
	return obj{"Test": h.Test, "Interval": h.Interval, "Timeout": h.Timeout, "StartPeriod": h.StartPeriod, "StartInterval": h.StartInterval, "Retries": h.Retries}
}

func modeText(host bool, own string) string {
	if host {
		return "host"
	}
	return own
}

func portText(n uint16) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(int(n))
}

func mountPoints(cs *container.Store, c *container.Container) []obj {
	list := []obj{}
	for _, m := range c.Mounts {
		o := obj{"Type": m.Type, "Source": m.Source, "Destination": m.Target, "Mode": m.Mode(), "RW": !m.ReadOnly, "Propagation": m.Propagation}
		if m.Type == container.MountVolume {
			o["Name"], o["Driver"], o["Source"] = m.Name, "local", cs.DataDir(m.Name)
		}
		list = append(list, o)
	}
	return list
}

// inspectImage is Docker's view of an image.
func (e *env) inspectImage(arg string) (obj, error) {
	img, _, err := e.image(arg)
	if err != nil {
		return nil, err
	}
	d, err := overlay.LoadImage(e.dirs, img.ID)
	if err != nil {
		return nil, err
	}
	c, err := d.OCI()
	if err != nil {
		return nil, err
	}
	var tags, digests = []string{}, []string{}
	for _, n := range d.Names {
		tags = append(tags, oci.Familiar(n))
	}
	for _, n := range d.RepoDigests {
		digests = append(digests, oci.Familiar(n))
	}
	created := ""
	if c.Created != nil {
		created = stamp(*c.Created)
	}
	layers := []string{}
	for _, l := range c.RootFS.DiffIDs {
		layers = append(layers, l.String())
	}
	raw, err := rawConfig(d)
	if err != nil {
		return nil, err
	}
	comment := ""
	if n := len(c.History); n > 0 {
		comment = c.History[n-1].Comment
	}
	return obj{
		"Id": "sha256:" + d.ID, "RepoTags": tags, "RepoDigests": digests, "Comment": comment, "Created": created, "Author": c.Author,
		"Config": raw, "Architecture": c.Architecture, "Variant": c.Variant, "Os": c.OS, "Size": d.Size,
		"GraphDriver": obj{"Name": "overlay", "Data": obj{"UpperDir": top(d.LayerDirs)}},
		"RootFS":      obj{"Type": "layers", "Layers": layers}, "Metadata": obj{"LastTagTime": "0001-01-01T00:00:00Z"},
	}, nil
}

func top(dirs []string) string {
	if len(dirs) == 0 {
		return ""
	}
	return dirs[len(dirs)-1]
}
