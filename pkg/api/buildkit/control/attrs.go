// SPDX-License-Identifier: Apache-2.0

package control

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/go-units"

	"coracle/pkg/api/buildkit/grpc"
	"coracle/pkg/dockerfile"
	"coracle/pkg/oci"
)

// source is where a build's files are.
type source struct {
	file    string   // the Dockerfile, in dir
	dir     string   // of the client's, with the Dockerfile
	context string   // of the client's
	upload  *url.URL // an archive on the client's standard input, which is both; else nil
}

// readAttrs makes a request of what a frontend is told, dockerui's config.go.
func readAttrs(a asked, entitlements []string) (r dockerfile.Request, src source, warnings []string, err error) {
	if err := checkFrontend(a); err != nil {
		return r, src, nil, err
	}
	if err := checkEntitlements(entitlements); err != nil {
		return r, src, nil, err
	}
	if src, err = readSource(a.attrs); err != nil {
		return r, src, nil, err
	}
	r = dockerfile.Request{
		Dockerfile: src.file, Target: a.attrs["target"], Platform: a.attrs["platform"], NetworkMode: a.attrs["force-network-mode"],
		PullParent: a.attrs["image-resolve-mode"] == "pull",
		BuildArgs:  map[string]string{}, Labels: map[string]string{}, Contexts: map[string]dockerfile.Context{},
	}
	for k, v := range a.attrs {
		name, val, _ := strings.Cut(k, ":")
		switch {
		case val != "" && name == "build-arg":
			r.BuildArgs[val] = v
		case val != "" && name == "label":
			r.Labels[val] = v
		case val != "" && name == "context":
			if err := readContext(&r, val, v, a.inputs); err != nil {
				return r, src, nil, err
			}
		case name == "attest" && !disabled(v):
			warnings = append(warnings, k+" has no effect: no attestations are made")
		case idleAttr(k) != "":
			warnings = append(warnings, k+" has no effect: "+idleAttr(k))
		}
	}
	slices.Sort(warnings)
	return r, src, warnings, readLists(a.attrs, &r)
}

// idleAttr is why an attribute changes nothing in what is built; empty for others.
func idleAttr(name string) string {
	switch name {
	case "cgroup-parent", "memory", "memswap", "cpushares", "cpuperiod", "cpuquota", "cpusetcpus", "cpusetmems":
		return "commands of a build have no limits"
	}
	return ""
}

func disabled(v string) bool {
	return v == "disabled=true" || v == "false" || strings.Contains(v, "inline-only=true")
}

// checkFrontend refuses what is no Dockerfile. An image that reads Dockerfiles is what
// is here: their syntax is the newest.
func checkFrontend(a asked) error {
	switch a.frontend {
	case "dockerfile.v0":
	case "gateway.v0":
		ref, err := oci.ParseRef(a.attrs["source"])
		if err != nil {
			return grpc.Errorf(grpc.InvalidArgument, "frontend %q: %v", a.attrs["source"], err)
		}
		if ref.Domain() != "docker.io" || !strings.HasPrefix(ref.Name(), "docker.io/docker/dockerfile") {
			return grpc.Errorf(grpc.Unimplemented, "frontend %s is not supported: Dockerfiles are built here", a.attrs["source"])
		}
	default:
		return grpc.Errorf(grpc.Unimplemented, "frontend %s is not supported: Dockerfiles are built here", a.frontend)
	}
	if id := a.attrs["requestid"]; id != "" {
		return grpc.Errorf(grpc.Unimplemented, "unsupported request %s: `coracle build --call` has targets and outline", id)
	}
	return nil
}

func checkEntitlements(list []string) error {
	for _, e := range list {
		switch name, _, _ := strings.Cut(e, "="); name {
		case "network.host", "fs", "fs.read", "fs.write":
		default:
			return grpc.Errorf(grpc.Unimplemented, "%s is not allowed: no command of a build may have that", e)
		}
	}
	return nil
}

// readSource finds out where the files are.
func readSource(attrs map[string]string) (s source, err error) {
	s = source{
		file: cmp.Or(attrs["filename"], "Dockerfile"), dir: cmp.Or(attrs["dockerfilekey"], "dockerfile"),
		context: cmp.Or(attrs["contextkey"], dockerfile.ContextName),
	}
	if s.file != path.Clean(s.file) || path.IsAbs(s.file) || strings.HasPrefix(s.file, "../") {
		return s, grpc.Errorf(grpc.InvalidArgument, "invalid filename %q", s.file)
	}
	remote := attrs["context"]
	if remote == "" {
		return s, nil
	}
	if u, err := url.Parse(remote); err == nil && u.Scheme == "http" && u.Host == "buildkit-session" {
		s.upload = u
		return s, nil
	}
	return s, refuseRemote(remote)
}

// readContext reads a named context: an image, a directory of the client's, or what
// another build of the client's gave.
func readContext(r *dockerfile.Request, name, value string, inputs map[string][]byte) error {
	if i := strings.Index(name, "::"); i >= 0 { // for one platform
		name = name[:i]
	}
	name = strings.ToLower(name)
	kind, rest, _ := strings.Cut(value, ":")
	switch kind {
	case "docker-image":
		image := strings.TrimPrefix(rest, "//")
		if _, err := oci.ParseRef(image); err != nil {
			return grpc.Errorf(grpc.InvalidArgument, "context %s: %v", name, err)
		}
		r.Contexts[name] = dockerfile.Context{Image: image}
		return nil
	case "local":
		r.Contexts[name] = dockerfile.Context{Sent: rest}
		return nil
	case "input":
		if image, ok := readImage(inputs[rest]); ok {
			r.Contexts[name] = dockerfile.Context{Image: image}
			return nil
		}
	}
	return grpc.Errorf(grpc.Unimplemented, "context %s: only directories, docker-image:// and results of builds that go to the store are supported", name)
}

// readLists reads the attributes that have a syntax of their own.
func readLists(attrs map[string]string, r *dockerfile.Request) error {
	if v, ok := attrs["no-cache"]; ok {
		r.NoCache = v == ""
		if v != "" {
			r.NoCacheFilter = strings.Split(v, ",")
		}
	}
	if strings.Contains(r.Platform, ",") {
		return grpc.Errorf(grpc.Unimplemented, "platform %s: an image here has one platform", r.Platform)
	}
	if r.Platform != "" {
		if _, err := oci.ParsePlatform(r.Platform); err != nil {
			return grpc.Errorf(grpc.InvalidArgument, "%v", err)
		}
	}
	if v := attrs["shm-size"]; v != "" {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n < 0 {
			return grpc.Errorf(grpc.InvalidArgument, "failed to parse shm size: %q", v)
		}
		r.ShmSize = n
	}
	hosts, err := fields(attrs["add-hosts"])
	if err != nil {
		return grpc.Errorf(grpc.InvalidArgument, "failed to parse additional hosts: %v", err)
	}
	for _, h := range hosts {
		name, address, _ := strings.Cut(h, "=")
		if address == gatewayAddress {
			address = "host-gateway"
		}
		r.ExtraHosts = append(r.ExtraHosts, name+":"+address)
	}
	limits, err := fields(attrs["ulimit"])
	for _, l := range limits {
		u, perr := units.ParseUlimit(l)
		if perr != nil {
			err = perr
			break
		}
		r.Ulimits = append(r.Ulimits, *u)
	}
	if err != nil {
		return grpc.Errorf(grpc.InvalidArgument, "failed to parse ulimit: %v", err)
	}
	if err := r.Check(); err != nil {
		return grpc.Errorf(grpc.InvalidArgument, "%v", err)
	}
	return nil
}

// fields are the values of a line of CSV, as BuildKit reads lists.
func fields(line string) ([]string, error) {
	if line == "" {
		return nil, nil
	}
	list, err := csv.NewReader(strings.NewReader(line)).Read()
	if err != nil {
		return nil, fmt.Errorf("%q: %w", line, err)
	}
	return list, nil
}
