// SPDX-License-Identifier: Apache-2.0

package api

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/build"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/api/types/system"
	"github.com/moby/moby/api/types/volume"

	"coracle/pkg/docker"
	"coracle/pkg/events"
	"coracle/pkg/host"
	registries "coracle/pkg/oci/registry"
)

func systemEndpoints() []endpoint {
	return []endpoint{
		{"HEAD", "/_ping", ping, "1.40"},
		{"GET", "/_ping", ping, ""},
		{"GET", "/version", version, ""},
		{"GET", "/info", info, ""},
		{"GET", "/events", streamEvents, ""},
		{"GET", "/system/df", diskUsage, "1.25"},
		{"POST", "/auth", login, ""},
	}
}

// classicBuilder is what the builder calls itself: clients send contexts as archives
// to /build, which is what there is.
const classicBuilder = "1"

func ping(c *call) error {
	h := c.w.Header()
	h.Set("Cache-Control", "no-cache, no-store, must-revalidate")
	h.Set("Pragma", "no-cache")
	h.Set("Builder-Version", classicBuilder)
	h.Set("Swarm", "inactive")
	h.Set(docker.RootHeader, url.PathEscape(c.e.Dirs.Root))
	if c.r.Method == http.MethodHead {
		h.Set("Content-Length", "0")
	}
	c.begin(http.StatusOK, "text/plain; charset=utf-8")
	if c.r.Method != http.MethodHead {
		_, _ = c.w.Write([]byte("OK"))
	}
	return nil
}

func version(c *call) error {
	p, err := host.Program(c.e.Version)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, docker.Versions(p).Server)
}

func info(c *call) error {
	p, err := host.Program(c.e.Version)
	if err != nil {
		return err
	}
	all, err := host.Info(c.ctx(), c.e.Dirs, p)
	if err != nil {
		return err
	}
	i := *all.Info
	answer := struct {
		*system.Info
		BridgeNfIptables  *bool `json:",omitempty"`
		BridgeNfIP6tables *bool `json:"BridgeNfIp6tables,omitempty"`
	}{Info: &i}
	if c.before("1.50") { // two that were there until then, and what was not
		i.DiscoveredDevices = nil
		answer.BridgeNfIptables, answer.BridgeNfIP6tables = new(bool), new(bool)
	}
	return c.answer(http.StatusOK, answer)
}

func streamEvents(c *call) error {
	f, err := c.filters(docker.EventFilters)
	if err != nil {
		return err
	}
	var o events.Options
	if o.Since, err = docker.ParseMoment(c.text("since")); err != nil {
		return err
	}
	if o.Until, err = docker.ParseMoment(c.text("until")); err != nil {
		return err
	}
	now := time.Now()
	if !o.Until.IsZero() && o.Until.Before(o.Since) {
		return invalid("`since` time (%s) cannot be after `until` time (%s)", c.text("since"), c.text("until"))
	}
	o.Past = !o.Since.IsZero() || !o.Until.IsZero() && o.Until.Before(now)
	o.Follow = o.Until.IsZero() || o.Until.After(now)
	var out *stream
	// The client is answered once it misses nothing that happens from then on.
	o.Ready = func() { out = c.stream(http.StatusOK, "application/json") }
	return events.Read(c.ctx(), c.e.Dirs.Root, o, func(ev events.Event) error {
		if !f.MatchEvent(ev) || ev.Type == events.Image && ev.Action == "create" && c.before("1.46") {
			return nil
		}
		return out.send(ev)
	})
}

// used is what there is on the disk in the form that Docker had until API 1.52.
type used struct {
	LayersSize  int64
	Images      []usedImage // null: not asked for, as those that follow
	Containers  []moby.Summary
	Volumes     []volume.Volume
	BuildCache  []build.CacheRecord
	BuilderSize int64 `json:",omitempty"`
}

type usedImage struct {
	image.Summary
	VirtualSize int64 `json:",omitempty"` // dropped in API 1.44
}

func diskUsage(c *call) error {
	kinds := c.form["type"]
	if c.before("1.42") || len(kinds) == 0 {
		kinds = []string{"container", "image", "volume", "build-cache"}
	}
	for _, k := range kinds {
		if !slices.Contains([]string{"container", "image", "volume", "build-cache"}, k) {
			return invalid("unknown object type: %s", k)
		}
	}
	u, _, err := host.Used(c.ctx(), c.e.Dirs)
	if err != nil {
		return err
	}
	var answer used
	for _, k := range kinds {
		switch k {
		case "container":
			answer.Containers = u.ContainerUsage.Items
			for i := range answer.Containers {
				answer.Containers[i].Health = nil // since 1.52
			}
		case "image":
			answer.LayersSize, answer.Images = u.ImageUsage.TotalSize, []usedImage{}
			for _, img := range u.ImageUsage.Items {
				of := usedImage{Summary: img}
				if c.before("1.44") {
					of.VirtualSize = img.Size
				}
				answer.Images = append(answer.Images, of)
			}
		case "volume":
			answer.Volumes = u.VolumeUsage.Items
		case "build-cache":
			answer.BuildCache = u.BuildCacheUsage.Items
			if c.before("1.42") {
				answer.BuilderSize = u.BuildCacheUsage.TotalSize
			}
		}
	}
	return c.answer(http.StatusOK, answer)
}

// login looks whether a registry takes credentials. They are kept by the client that
// sends them, and not here.
func login(c *call) error {
	var auth registry.AuthConfig
	if err := c.decodeAny(&auth); err != nil {
		return err
	}
	server, err := registryServer(auth.ServerAddress)
	if err != nil {
		return err
	}
	reg, err := registries.New(c.e.Access)
	if err != nil {
		return err
	}
	err = reg.Check(c.ctx(), server, auth.Username, auth.Password)
	var refused *registries.Error
	if errors.As(err, &refused) && refused.Denied() {
		return docker.Refuse(docker.Unauthorized, "%w", err)
	}
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, registry.AuthResponse{Status: "Login Succeeded"})
}

// registryServer is the host, perhaps with a port, of an address that credentials are for.
func registryServer(address string) (string, error) {
	if !strings.Contains(address, "://") {
		address = "https://" + address
	}
	u, err := url.Parse(address)
	if err != nil {
		return "", invalid("invalid server address: unable to parse: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return "", invalid("invalid server address %q: unsupported URL scheme %q: must be \"http\" or \"https\"", address, u.Scheme)
	}
	if _, err := strconv.ParseUint(cmp.Or(u.Port(), "0"), 10, 16); err != nil {
		return "", invalid("invalid server address %q: invalid port", address)
	}
	return registries.TrimServer(address), nil
}
