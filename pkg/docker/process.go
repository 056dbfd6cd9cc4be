// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"path"
	"strings"
	"unicode"

	"coracle/pkg/oci/spec"
)

func (d *draft) setProcess() error {
	p, q := &d.rec.Process, d.req
	// As in Docker, an entry point of one empty word takes the image's away, and
	// with any entry point the image's arguments go.
	p.Entrypoint, p.Cmd = q.Entrypoint, q.Cmd
	if len(q.Entrypoint) == 0 {
		if len(q.Cmd) == 0 {
			p.Cmd = d.image.Cmd
		}
		if q.Entrypoint == nil {
			p.Entrypoint = d.image.Entrypoint
		}
	}
	if len(q.Entrypoint) == 1 && q.Entrypoint[0] == "" {
		p.Entrypoint = nil
	}
	if len(p.Args()) == 0 {
		return invalid("no command specified")
	}
	for _, kv := range q.Env {
		if kv == "" || kv[0] == '=' {
			return invalid("invalid environment variable: %s", kv)
		}
	}
	p.Env = spec.MergeEnv(d.image.Env, q.Env...)
	p.Cwd, p.User = d.image.WorkingDir, d.image.User
	if q.WorkingDir != "" {
		p.Cwd = q.WorkingDir
	}
	if p.Cwd == "" {
		p.Cwd = "/"
	}
	if !path.IsAbs(p.Cwd) {
		return invalid("the working directory '%s' is invalid, it needs to be an absolute path", p.Cwd)
	}
	if q.User != "" {
		p.User = q.User
	}
	if p.Umask = q.HostConfig.Umask; p.Umask != nil && *p.Umask > 0o777 {
		return invalid("invalid umask: %04o", *p.Umask)
	}
	p.GroupAdd, p.Tty, p.OpenStdin, p.StdinOnce = q.HostConfig.GroupAdd, q.Tty, q.OpenStdin, q.StdinOnce
	p.AttachStdin, p.AttachStdout, p.AttachStderr = q.AttachStdin, q.AttachStdout, q.AttachStderr
	return d.setHostname()
}

func (d *draft) setHostname() (err error) {
	p, q := &d.rec.Process, d.req
	if q.HostConfig.UTSMode.IsHost() && (q.Hostname != "" || q.Domainname != "") {
		return invalid("conflicting options: hostname and the UTS mode")
	}
	for _, n := range []struct{ what, name string }{{"hostname", q.Hostname}, {"domainname", q.Domainname}} {
		if len(n.name) > 64 || strings.ContainsFunc(n.name, unicode.IsControl) {
			return invalid("invalid %s: %s", n.what, n.name)
		}
	}
	p.Hostname, p.Domainname = q.Hostname, q.Domainname
	switch {
	case p.Hostname != "":
	case q.HostConfig.UTSMode.IsHost(), q.HostConfig.NetworkMode.IsHost():
		p.Hostname, err = d.w.Hostname()
	default:
		p.Hostname = d.rec.ID[:12]
	}
	return err
}
