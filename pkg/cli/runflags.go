// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"strings"

	"github.com/docker/go-units"
	"github.com/urfave/cli/v2"

	"coracle/pkg/container"
	"coracle/pkg/overlay"
)

// createFlags are the options of run and create.
func createFlags() []cli.Flag {
	return append(refusedFlags(),
		values("add-host", nil, "Add a custom host-to-IP mapping (host:ip)"),
		values("annotation", nil, "Add an annotation to the container (passed through to the OCI runtime)"),
		values("attach", short("a"), "Attach to STDIN, STDOUT or STDERR"),
		values("cap-add", nil, "Add Linux capabilities"),
		values("cap-drop", nil, "Drop Linux capabilities"),
		text("cgroupns", nil, "Cgroup namespace to use (host|private)"),
		text("cidfile", nil, "Write the container ID to the file"),
		values("device", nil, "Add a host device that you may open to the container"),
		values("dns", nil, "Set custom DNS servers"),
		values("dns-option", []string{"dns-opt"}, "Set DNS options"),
		values("dns-search", nil, "Set custom DNS search domains"),
		text("domainname", nil, "Container NIS domain name"),
		text("entrypoint", nil, "Overwrite the default ENTRYPOINT of the image"),
		values("env", short("e"), "Set environment variables"),
		values("env-file", nil, "Read in a file of environment variables"),
		flag("env-host", nil, "Pass on the whole environment"),
		values("expose", nil, "Expose a port or a range of ports"),
		values("group-add", nil, "Add additional groups to join"),
		text("hostname", short("h"), "Container host name"),
		flag("init", nil, "Run an init inside the container that forwards signals and reaps processes"),
		flag("interactive", short("i"), "Keep STDIN open even if not attached"),
		text("ipc", nil, "IPC mode to use: private, none or host"),
		values("label", short("l"), "Set meta data on a container"),
		values("label-file", nil, "Read in a line delimited file of labels"),
		values("link-local-ip", nil, "Container IPv4/IPv6 link-local addresses"),
		text("log-driver", nil, "Logging driver for the container: json-file, local, journald or none"),
		values("log-opt", nil, "Log driver options"),
		text("mac-address", nil, "Container MAC address (e.g., 92:d0:c6:0a:29:33)"),
		values("mount", nil, "Attach a filesystem mount to the container"),
		text("name", nil, "Assign a name to the container"),
		values("network-alias", []string{"net-alias"}, "Add network-scoped alias for the container"),
		text("ip", nil, "IPv4 address (e.g., 172.30.100.104)"),
		text("ip6", nil, "IPv6 address (e.g., 2001:db8::33)"),
		values("network", []string{"net"}, "Connect a container to a network: bridge, host, none, or one that was created"),
		&cli.IntFlag{Name: "oom-score-adj", Usage: "Tune host's OOM preferences (-1000 to 1000)"},
		text("pid", nil, "PID namespace to use: private or host"),
		platformFlag("Set platform if server is multi-platform capable"),
		flag("privileged", nil, "Give extended privileges to this container"),
		values("publish", short("p"), "Publish a container's port(s) to the host"),
		flag("publish-all", short("P"), "Publish all exposed ports to random ports"),
		&cli.StringFlag{Name: "pull", Usage: "Pull image before running (always, missing, never)", Value: "missing"},
		flag("quiet", short("q"), "Suppress the pull output"),
		flag("read-only", nil, "Mount the container's root filesystem as read only"),
		&cli.StringFlag{Name: "restart", Usage: "Restart policy to apply when a container exits", Value: "no"},
		flag("rm", nil, "Automatically remove the container and its anonymous volumes when it exits"),
		values("security-opt", nil, "Security options"),
		text("shm-size", nil, "Size of /dev/shm"),
		text("stop-signal", nil, "Signal to stop the container"),
		&cli.IntFlag{Name: "stop-timeout", Usage: "Timeout (in seconds) to stop a container"},
		values("sysctl", nil, "Sysctl options"),
		values("tmpfs", nil, "Mount a tmpfs directory"),
		flag("tty", short("t"), "Allocate a pseudo-TTY"),
		values("ulimit", nil, "Ulimit options"),
		text("umask", nil, "Set the umask of the process"),
		values("unsetenv", nil, "Unset an environment variable of the image"),
		text("user", short("u"), "Username or UID (format: <name|uid>[:<group|gid>])"),
		text("userns", nil, "User namespace to use: host is accepted, for that is what a container has"),
		text("uts", nil, "UTS namespace to use: host"),
		values("volume", short("v"), "Bind mount a volume"),
		values("volumes-from", nil, "Mount volumes from the specified container(s)"),
		text("workdir", short("w"), "Working directory inside the container"),
	)
}

// record turns the flags, the image and the command into what a container is
// made of.
func record(e *env, c *cli.Context, id string, det overlay.Details, cmd []string) (*container.Record, error) {
	image, err := det.OCI()
	if err != nil {
		return nil, err
	}
	r := &container.Record{
		ID: id, Name: strings.TrimPrefix(c.String("name"), "/"), Image: c.Args().First(),
		ImageID: det.ID, LayerDirs: det.LayerDirs, Platform: image.OS,
	}
	conf := image.Config
	for _, set := range []func() error{
		func() error { return checkRefused(e, c) },
		func() error {
			return setProcess(e, c, r, conf.Entrypoint, conf.Cmd, conf.Env, conf.WorkingDir, conf.User, cmd)
		},
		func() (err error) { r.Labels, err = labels(c, conf.Labels); return err },
		func() error { return setNet(e, c, r, keys(conf.ExposedPorts)) },
		func() error { return setMounts(e, c, r, keys(conf.Volumes)) },
		func() error { return setLimits(c, r) },
		func() error { return setCgroup(c, r) },
		func() error { return setHealth(c, r, det) },
		func() error { return setSafety(e, c, r) },
		func() error { return setLife(e, c, r, conf.StopSignal) },
	} {
		if err := set(); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func keys(m map[string]struct{}) []string {
	list := make([]string, 0, len(m))
	for k := range m {
		list = append(list, k)
	}
	return list
}

func setLimits(c *cli.Context, r *container.Record) error {
	l := &r.Limits
	if v := c.String("shm-size"); v != "" {
		n, err := units.RAMInBytes(v)
		if err != nil || n <= 0 {
			return &exitError{125, cliErrorf("invalid argument %q for \"--shm-size\" flag: invalid size: '%s'", v, v)}
		}
		l.ShmSize = n
	}
	for _, v := range c.StringSlice("ulimit") {
		u, err := units.ParseUlimit(v)
		if err != nil {
			return err
		}
		l.Ulimits = append(l.Ulimits, container.Ulimit{Name: u.Name, Soft: u.Soft, Hard: u.Hard})
	}
	for _, kv := range c.StringSlice("sysctl") {
		k, v, ok := strings.Cut(kv, "=")
		if !ok || k == "" {
			return cliErrorf("invalid sysctl: %q", kv)
		}
		if l.Sysctls == nil {
			l.Sysctls = map[string]string{}
		}
		l.Sysctls[k] = v
	}
	if c.IsSet("oom-score-adj") {
		n := c.Int("oom-score-adj")
		if n < -1000 || n > 1000 {
			return fmt.Errorf("Invalid value %d, range for oom score adj is [-1000, 1000]", n)
		}
		l.OomScoreAdj = &n
	}
	return nil
}
