// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/docker"
)

// createFlags are the options of run and create.
func createFlags() []cli.Flag {
	return append(refusedFlags(),
		flags.List("add-host", nil, "Add a custom host-to-IP mapping (host:ip)"),
		flags.List("annotation", nil, "Add an annotation to the container (passed through to the OCI runtime)"),
		flags.List("attach", flags.Short("a"), "Attach to STDIN, STDOUT or STDERR"),
		flags.List("cap-add", nil, "Add Linux capabilities"),
		flags.List("cap-drop", nil, "Drop Linux capabilities"),
		flags.Text("cgroupns", nil, "Cgroup namespace to use (host|private)"),
		flags.Text("cidfile", nil, "Write the container ID to the file"),
		flags.List("device", nil, "Add a host device that you may open to the container, or one of a CDI specification (vendor.com/class=name)"),
		flags.List("dns", nil, "Set custom DNS servers"),
		flags.List("dns-option", []string{"dns-opt"}, "Set DNS options"),
		flags.List("dns-search", nil, "Set custom DNS search domains"),
		flags.Text("domainname", nil, "Container NIS domain name"),
		flags.Text("entrypoint", nil, "Overwrite the default ENTRYPOINT of the image"),
		flags.List("env", flags.Short("e"), "Set environment variables"),
		flags.List("env-file", nil, "Read in a file of environment variables"),
		flags.Bool("env-host", nil, "Pass on the whole environment"),
		flags.List("expose", nil, "Expose a port or a range of ports"),
		flags.Text("gpus", nil, "GPU devices to add to the container ('all' to pass all GPUs)"),
		flags.List("group-add", nil, "Add additional groups to join"),
		flags.Text("hostname", flags.Short("h"), "Container host name"),
		flags.Bool("init", nil, "Run an init inside the container that forwards signals and reaps processes"),
		flags.Bool("interactive", flags.Short("i"), "Keep STDIN open even if not attached"),
		flags.Text("ipc", nil, "IPC mode to use: private, shareable, none, host or container:NAME"),
		flags.List("label", flags.Short("l"), "Set meta data on a container"),
		flags.List("label-file", nil, "Read in a line delimited file of labels"),
		flags.List("link", nil, "Add link to another container"),
		flags.List("link-local-ip", nil, "Container IPv4/IPv6 link-local addresses"),
		flags.Text("log-driver", nil, "Logging driver for the container: json-file, local, journald or none"),
		flags.List("log-opt", nil, "Log driver options"),
		flags.Text("mac-address", nil, "Container MAC address (e.g., 92:d0:c6:0a:29:33)"),
		flags.List("mount", nil, "Attach a filesystem mount to the container"),
		flags.Text("name", nil, "Assign a name to the container"),
		flags.List("network-alias", []string{"net-alias"}, "Add network-scoped alias for the container"),
		flags.Text("ip", nil, "IPv4 address (e.g., 172.30.100.104)"),
		flags.Text("ip6", nil, "IPv6 address (e.g., 2001:db8::33)"),
		flags.List("network", []string{"net"}, "Connect a container to a network: bridge, host, none, or one that was created"),
		&cli.IntFlag{Name: "oom-score-adj", Usage: "Tune host's OOM preferences (-1000 to 1000)"},
		flags.Text("pid", nil, "PID namespace to use: host or container:NAME"),
		flags.Platform("Set platform if server is multi-platform capable"),
		flags.Bool("privileged", nil, "Give extended privileges to this container"),
		flags.List("publish", flags.Short("p"), "Publish a container's port(s) to the host"),
		flags.Bool("publish-all", flags.Short("P"), "Publish all exposed ports to random ports"),
		&cli.StringFlag{Name: "pull", Usage: "Pull image before running (always, missing, never)", Value: "missing"},
		flags.Bool("quiet", flags.Short("q"), "Suppress the pull output"),
		flags.Bool("read-only", nil, "Mount the container's root filesystem as read only"),
		&cli.StringFlag{Name: "restart", Usage: "Restart policy to apply when a container exits", Value: "no"},
		flags.Bool("rm", nil, "Automatically remove the container and its anonymous volumes when it exits"),
		flags.List("security-opt", nil, "Security options"),
		flags.Text("shm-size", nil, "Size of /dev/shm"),
		flags.Text("stop-signal", nil, "Signal to stop the container"),
		&cli.IntFlag{Name: "stop-timeout", Usage: "Timeout (in seconds) to stop a container"},
		flags.List("sysctl", nil, "Sysctl options"),
		flags.List("tmpfs", nil, "Mount a tmpfs directory"),
		flags.Bool("tty", flags.Short("t"), "Allocate a pseudo-TTY"),
		flags.List("ulimit", nil, "Ulimit options"),
		flags.Text("umask", nil, "Set the umask of the process"),
		flags.List("unsetenv", nil, "Unset an environment variable of the image"),
		flags.Text("user", flags.Short("u"), "Username or UID (format: <name|uid>[:<group|gid>])"),
		flags.Text("userns", nil, "User namespace to use: host, which is what a container has, or keep-id[:uid=N,gid=M]"),
		flags.Text("uts", nil, "UTS namespace to use: host"),
		flags.Bool("use-api-socket", nil, "Bind mount Docker's API socket, served for this container"),
		flags.List("volume", flags.Short("v"), "Bind mount a volume"),
		flags.List("volumes-from", nil, "Mount volumes from the specified container(s)"),
		flags.Text("workdir", flags.Short("w"), "Working directory inside the container"),
	)
}

// CreateRequest is what the flags and arguments of run and create ask for.
func CreateRequest(e *command.Env, c *cli.Context) (docker.CreateRequest, error) {
	q := docker.CreateRequest{Name: c.String("name"), Platform: c.String("platform")}
	q.Image = c.Args().First()
	for _, ask := range []func() error{
		func() error { return askOthers(e, c, &q.HostConfig) },
		func() error { return askProcess(c, &q) },
		func() error { return askNetwork(c, &q) },
		func() error { return askMounts(c, &q) },
		func() error { return askCreateLimits(c, &q.HostConfig) },
		func() (err error) { q.Healthcheck, err = askHealth(c); return err },
		func() error { return askSafety(c, &q.HostConfig) },
		func() error { return askLife(c, &q) },
	} {
		if err := ask(); err != nil {
			return q, err
		}
	}
	return q, nil
}
