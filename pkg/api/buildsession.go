// SPDX-License-Identifier: Apache-2.0

package api

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/moby/moby/api/types/build"

	"coracle/pkg/api/buildkit/control"
	"coracle/pkg/api/buildkit/grpc"
	"coracle/pkg/docker"
)

// buildBySession builds for command lines of 18.09 to 22 with DOCKER_BUILDKIT=1: the
// session has the context, the parameters are those of a build without one, and the
// stream has BuildKit's messages.
func buildBySession(c *call) error {
	r := control.Direct{Session: c.text("session"), Attrs: map[string]string{
		"filename": cmp.Or(c.text("dockerfile"), "Dockerfile"), "target": c.text("target"), "platform": c.text("platform"), "shm-size": c.text("shmsize"),
	}}
	if err := sessionAttrs(c, r.Attrs); err != nil {
		return err
	}
	if v := c.text("outputs"); v != "" {
		if err := json.Unmarshal([]byte(v), &r.Exports); err != nil {
			return invalid("error reading outputs: %w", err)
		}
	}
	if len(r.Exports) == 0 {
		r.Exports = []control.Export{{Type: "moby"}}
	}
	for i := range r.Exports {
		if e := &r.Exports[i]; e.Type == "moby" || e.Type == "image" {
			e.Type, e.Attrs = "moby", map[string]string{"name": strings.Join(c.form["t"], ",")}
		}
	}
	p, quiet := &progress{c: c}, c.flag("q")
	ctx, done := c.e.builds.begin(c.ctx(), c.text("buildid"))
	defer done()
	id, err := c.e.buildKit().Build(ctx, r, func(status []byte) {
		if !quiet {
			p.say(message{ID: "moby.buildkit.trace", Aux: status})
		}
	})
	switch {
	case err != nil:
		if p.out != nil {
			return p.end(err)
		}
		return refused(err)
	case quiet:
		p.say(message{Stream: id + "\n"})
	case id != "":
		p.say(message{ID: "moby.image.id", Aux: build.Result{ID: id}})
	}
	return p.end(nil)
}

// refused is an error of gRPC's as one of HTTP's.
func refused(err error) error {
	kinds := map[grpc.Code]docker.Kind{grpc.InvalidArgument: docker.Invalid, grpc.NotFound: docker.NotFound, grpc.Unimplemented: docker.NotSupported}
	if kind, ok := kinds[grpc.StatusOf(err).Code]; ok {
		return &docker.Refusal{Kind: kind, Message: err.Error(), Cause: err}
	}
	return err
}

// sessionAttrs makes what a frontend is told of the parameters (moby's
// daemon/internal/builder-next/builder.go).
func sessionAttrs(c *call, attrs map[string]string) error {
	if remote := c.text("remote"); remote != "client-session" {
		attrs["context"] = remote
	}
	if c.flag("nocache") {
		attrs["no-cache"] = ""
	}
	if c.flag("pull") {
		attrs["image-resolve-mode"] = "pull"
	}
	if mode := c.text("networkmode"); mode != "" && mode != "default" {
		attrs["force-network-mode"] = mode
	}
	for k, v := range attrs {
		if v == "" && k != "no-cache" {
			delete(attrs, k)
		}
	}
	var args map[string]*string
	var labels map[string]string
	var limits []*struct {
		Name       string
		Hard, Soft int64
	}
	for name, into := range map[string]any{"buildargs": &args, "labels": &labels, "ulimits": &limits} {
		if v := c.text(name); v != "" {
			if err := json.Unmarshal([]byte(v), into); err != nil {
				return invalid("error reading %s: %w", name, err)
			}
		}
	}
	for k, v := range args {
		if v != nil {
			attrs["build-arg:"+k] = *v
		}
	}
	for k, v := range labels {
		attrs["label:"+k] = v
	}
	var hosts, ulimits []string
	for _, h := range c.form["extrahosts"] {
		hosts = append(hosts, strings.Replace(h, ":", "=", 1))
	}
	for _, l := range limits {
		if l != nil {
			ulimits = append(ulimits, fmt.Sprintf("%s=%d:%d", l.Name, l.Soft, l.Hard))
		}
	}
	setList(attrs, "add-hosts", hosts)
	setList(attrs, "ulimit", ulimits)
	return nil
}

// setList sets an attribute that is a list, as a line of CSV.
func setList(attrs map[string]string, name string, list []string) {
	if len(list) == 0 {
		return
	}
	var b strings.Builder
	w := csv.NewWriter(&b)
	_ = w.Write(list) // to memory
	w.Flush()
	attrs[name] = strings.TrimSuffix(b.String(), "\n")
}
