// SPDX-License-Identifier: Apache-2.0

package api

import (
	"cmp"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/docker/go-units"
	"github.com/moby/moby/api/types/registry"

	"coracle/pkg/docker"
	"coracle/pkg/dockerfile"
	"coracle/pkg/oci"
)

// idleBuild are parameters that change nothing in what is built here, and why.
var idleBuild = []struct{ name, why string }{
	{"memory", "commands of a build have no limits"}, {"memswap", "commands of a build have no limits"},
	{"cpushares", "commands of a build have no limits"}, {"cpuperiod", "commands of a build have no limits"},
	{"cpuquota", "commands of a build have no limits"}, {"cpusetcpus", "commands of a build have no limits"},
	{"cpusetmems", "commands of a build have no limits"}, {"cgroupparent", "commands of a build have no limits"},
	{"cachefrom", "the build cache is the store's own"},
	{"securityopt", "commands of a build are confined as ever"},
}

// buildRequest reads the parameters of a build, but for the context. warnings are
// about those without an effect.
func buildRequest(c *call) (r dockerfile.Request, warnings []string, err error) {
	if err := refuseBuild(c); err != nil {
		return r, nil, err
	}
	r = dockerfile.Request{
		Archive: true, TellPlan: true, Dockerfile: cmp.Or(c.text("dockerfile"), "Dockerfile"), Target: c.text("target"), Platform: c.text("platform"),
		NetworkMode: c.text("networkmode"), ExtraHosts: c.form["extrahosts"], NoCache: c.flag("nocache"), PullParent: c.flag("pull"),
		BuildArgs: map[string]string{},
	}
	for _, t := range c.form["t"] {
		if t == "" { // a client that wants no name
			continue
		}
		ref, err := oci.ParseRef(t)
		if err != nil {
			return r, nil, err
		}
		if ref.Digest() != "" {
			return r, nil, invalid("build tag cannot contain a digest")
		}
		r.Tags = append(r.Tags, ref.Name())
	}
	if err := r.Check(); err != nil {
		return r, nil, invalid("%w", err)
	}
	if r.Platform != "" {
		if _, err := oci.ParsePlatform(r.Platform); err != nil {
			return r, nil, invalid("%w", err)
		}
	}
	if err := buildTables(c, &r); err != nil {
		return r, nil, err
	}
	for _, p := range idleBuild {
		if v := c.text(p.name); v != "" && v != "0" && v != "[]" && v != "null" {
			warnings = append(warnings, p.name+" has no effect: "+p.why)
		}
	}
	r.Access = c.e.Access
	r.Access.Auths = buildAuths(c)
	return r, warnings, nil
}

// refuseBuild refuses what no build here can be.
func refuseBuild(c *call) error {
	remote := c.text("remote")
	switch {
	case remote == "client-session" || c.text("session") != "":
		return invalid("a session is for builds of version 2")
	case remote != "":
		return &docker.Refusal{Kind: docker.NotSupported, Message: "unable to prepare context: remote contexts are not supported: clone " + strconv.Quote(remote) + " and build the directory"}
	case c.flag("squash"):
		return invalid("squash is only supported with experimental mode")
	case c.text("isolation") != "" && !strings.EqualFold(c.text("isolation"), "default"):
		return invalid("invalid isolation '%s' on linux", c.text("isolation"))
	case strings.Contains(c.text("platform"), ","):
		return &docker.Refusal{Kind: docker.NotSupported, Message: "platform " + c.text("platform") + ": an image here has one platform"}
	}
	if v := c.text("outputs"); v != "" && v != "[]" && v != "null" {
		return &docker.Refusal{Kind: docker.NotSupported, Message: "outputs is not supported: they go by BuildKit's sessions"}
	}
	return nil
}

// buildTables reads the parameters that are JSON.
func buildTables(c *call, r *dockerfile.Request) error {
	var args map[string]*string
	var ulimits []*units.Ulimit
	for _, p := range []struct {
		name string
		into any
	}{{"buildargs", &args}, {"labels", &r.Labels}, {"ulimits", &ulimits}} {
		if v := c.text(p.name); v != "" {
			if err := json.Unmarshal([]byte(v), p.into); err != nil {
				return invalid("error reading %s: %w", p.name, err)
			}
		}
	}
	for k, v := range args {
		if v != nil { // one without a value was none where the client is
			r.BuildArgs[k] = *v
		}
	}
	for _, u := range ulimits {
		if u == nil {
			return invalid("error reading ulimits: one is null")
		}
		r.Ulimits = append(r.Ulimits, *u)
	}
	if v := c.text("shmsize"); v != "" {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n < 0 {
			return invalid("invalid shmsize: %q", v)
		}
		r.ShmSize = n
	}
	return nil
}

// buildAuths are the credentials that a client sends along, by registry. They are
// for this request.
func buildAuths(c *call) map[string]registry.AuthConfig {
	var all map[string]registry.AuthConfig
	if !decodeHeader(c.r.Header.Get("X-Registry-Config"), &all) {
		return nil
	}
	return all
}
