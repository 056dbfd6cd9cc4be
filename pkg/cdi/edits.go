// SPDX-License-Identifier: Apache-2.0

package cdi

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	cdispec "tags.cncf.io/container-device-interface/specs-go"
)

// Edits are what a container gets for its devices.
type Edits struct {
	Env    []string // NAME=VALUE; of one name the last counts, and before the container's own
	Nodes  []Node
	Mounts []specs.Mount // binds, with absolute sources, and tmpfs
	Hooks  *specs.Hooks  // nil without any
	GIDs   []uint32      // further groups of the process, as ids of the container
}

// Node is a device node of the host that is shown in the container.
type Node struct {
	Source      string // absolute, on the host
	Target      string // absolute and clean, in the container
	Type        string // c, b or p; empty where the file does not say
	Major       int64  // with Minor, where not both are 0: the device that it has to be
	Minor       int64
	Permissions string // of r, w and m; may be empty
}

// checkEdits checks what is the same on every host.
func checkEdits(e *cdispec.ContainerEdits) error {
	if slices.Contains(e.DeviceNodes, nil) || slices.Contains(e.Mounts, nil) || slices.Contains(e.Hooks, nil) || slices.Contains(e.NetDevices, nil) {
		return errors.New("an entry is null")
	}
	if err := checkEnv(e.Env); err != nil {
		return err
	}
	for _, n := range e.DeviceNodes {
		if err := checkNode(n); err != nil {
			return fmt.Errorf("device node %q: %w", n.Path, err)
		}
	}
	for _, m := range e.Mounts {
		if err := checkMount(m); err != nil {
			return fmt.Errorf("mount %q: %w", m.ContainerPath, err)
		}
	}
	for _, h := range e.Hooks {
		if err := checkHook(h); err != nil {
			return fmt.Errorf("hook %q: %w", h.HookName, err)
		}
	}
	return nil
}

func checkEnv(env []string) error {
	for _, kv := range env {
		if strings.IndexByte(kv, '=') <= 0 || hasNUL(kv) {
			return fmt.Errorf("environment variable %q: not NAME=VALUE", kv)
		}
	}
	return nil
}

func checkNode(n *cdispec.DeviceNode) error {
	if err := checkPath(n.Path); err != nil {
		return err
	}
	if n.HostPath != "" {
		if err := checkPath(n.HostPath); err != nil {
			return err
		}
	}
	if !slices.Contains([]string{"", "c", "u", "b", "p"}, n.Type) {
		return fmt.Errorf("type %q is not known", n.Type)
	}
	if n.Permissions != "none" && strings.Trim(n.Permissions, "rwm") != "" {
		return fmt.Errorf("permissions %q are not of r, w and m", n.Permissions)
	}
	return nil
}

// checkMount leaves alone which types of file systems there are: that is refused
// when it is asked for.
func checkMount(m *cdispec.Mount) error {
	if err := checkPath(m.ContainerPath); err != nil {
		return err
	}
	if hasNUL(m.Options...) || hasNUL(m.HostPath, m.Type) || m.HostPath == "" {
		return errors.New("not a source, type and options")
	}
	if isBind(m) {
		return checkPath(m.HostPath)
	}
	return nil
}

func checkHook(h *cdispec.Hook) error {
	if !slices.Contains([]string{"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"}, h.HookName) {
		return errors.New("no such kind of hooks")
	}
	if err := checkPath(h.Path); err != nil {
		return err
	}
	if hasNUL(h.Args...) {
		return errors.New("an argument has a NUL in it")
	}
	if h.Timeout != nil && *h.Timeout <= 0 {
		return errors.New("the timeout is not above 0")
	}
	return checkEnv(h.Env)
}

// checkPath takes an absolute path of something other than the root.
func checkPath(p string) error {
	if !path.IsAbs(p) || path.Clean(p) == "/" || hasNUL(p) {
		return fmt.Errorf("%q is not the absolute path of something", p)
	}
	return nil
}

func hasNUL(texts ...string) bool {
	return slices.ContainsFunc(texts, func(s string) bool { return strings.IndexByte(s, 0) >= 0 })
}

func isBind(m *cdispec.Mount) bool {
	return slices.Contains([]string{"", "none", "bind"}, m.Type) || slices.Contains(m.Options, "bind") || slices.Contains(m.Options, "rbind")
}

// add puts the edits of a specification or of one of its devices behind those that
// are there. It refuses what no engine without root can give.
func (e *Edits) add(c *cdispec.ContainerEdits) error {
	switch {
	case c.IntelRdt != nil:
		return errors.New("intelRdt is not supported: only root may write to resctrl")
	case len(c.NetDevices) > 0:
		return errors.New("netDevices are not supported: only root may move the host's network interfaces")
	}
	e.Env = append(e.Env, c.Env...)
	for _, n := range c.DeviceNodes {
		e.Nodes = append(e.Nodes, node(n))
	}
	for _, m := range c.Mounts {
		to := specs.Mount{Destination: path.Clean(m.ContainerPath), Type: m.Type, Source: m.HostPath, Options: slices.Clone(m.Options)}
		switch {
		case isBind(m):
			to.Type = "bind"
		case m.Type != "tmpfs":
			return fmt.Errorf("mount %q: type %q is not supported: there are bind and tmpfs", m.ContainerPath, m.Type)
		}
		e.Mounts = append(e.Mounts, to)
	}
	for _, h := range c.Hooks {
		e.addHook(h)
	}
	for _, g := range c.AdditionalGIDs {
		if g != 0 && !slices.Contains(e.GIDs, g) {
			e.GIDs = append(e.GIDs, g)
		}
	}
	return nil
}

func node(n *cdispec.DeviceNode) Node {
	to := Node{Source: n.HostPath, Target: path.Clean(n.Path), Type: n.Type, Major: n.Major, Minor: n.Minor, Permissions: n.Permissions}
	if to.Source == "" {
		to.Source = to.Target
	}
	if to.Type == "u" { // of mknod(1): a character device without a buffer, which Linux has not
		to.Type = "c"
	}
	switch to.Permissions {
	case "":
		to.Permissions = "rwm"
	case "none":
		to.Permissions = ""
	}
	return to
}

func (e *Edits) addHook(h *cdispec.Hook) {
	if e.Hooks == nil {
		e.Hooks = &specs.Hooks{}
	}
	hook := specs.Hook{Path: h.Path, Args: h.Args, Env: h.Env, Timeout: h.Timeout}
	switch h.HookName {
	case "prestart":
		e.Hooks.Prestart = append(e.Hooks.Prestart, hook)
	case "createRuntime":
		e.Hooks.CreateRuntime = append(e.Hooks.CreateRuntime, hook)
	case "createContainer":
		e.Hooks.CreateContainer = append(e.Hooks.CreateContainer, hook)
	case "startContainer":
		e.Hooks.StartContainer = append(e.Hooks.StartContainer, hook)
	case "poststart":
		e.Hooks.Poststart = append(e.Hooks.Poststart, hook)
	case "poststop":
		e.Hooks.Poststop = append(e.Hooks.Poststop, hook)
	}
}
