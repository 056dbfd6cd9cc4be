// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"coracle/pkg/ids"
	"coracle/pkg/ns/seccomp"
)

// load reads the bundle's config.json, and returns it with paths that are
// absolute, and as it was.
func load(dir string) (*specs.Spec, []byte, error) {
	data, err := os.ReadFile(filepath.Join(dir, configFile))
	if err != nil {
		return nil, nil, fmt.Errorf("read bundle: %w", err)
	}
	var s specs.Spec
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, nil, fmt.Errorf("read bundle: %s: %w", configFile, err)
	}
	if err := check(&s); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", configFile, err)
	}
	if !filepath.IsAbs(s.Root.Path) {
		s.Root.Path = filepath.Join(dir, s.Root.Path)
	}
	if st, err := os.Stat(s.Root.Path); err != nil || !st.IsDir() {
		return nil, nil, fmt.Errorf("%s: root.path: %s is not a directory", configFile, s.Root.Path)
	}
	for i, m := range s.Mounts {
		if isBind(m) && !filepath.IsAbs(m.Source) {
			s.Mounts[i].Source = filepath.Join(dir, m.Source)
		}
	}
	if data, err = json.Marshal(&s); err != nil {
		return nil, nil, err
	}
	return &s, data, nil
}

// isBind also makes plain what the specification leaves to the options: a
// mount of any type with bind is one.
func isBind(m specs.Mount) bool {
	return m.Type == "bind" || slices.Contains(m.Options, "bind") || slices.Contains(m.Options, "rbind")
}

// check refuses what is wrong, and what is asked for and not to be had. It
// fills in what may be left out.
func check(s *specs.Spec) error {
	if !strings.HasPrefix(s.Version, "1.") {
		return fmt.Errorf("ociVersion: %q is not supported, %s is", s.Version, specs.Version)
	}
	if s.Root == nil || s.Root.Path == "" {
		return errors.New("root.path: missing")
	}
	if s.Linux == nil {
		s.Linux = &specs.Linux{}
	}
	if s.Process != nil {
		if err := checkProcess(s.Process); err != nil {
			return err
		}
	}
	for i := range s.Mounts {
		if err := checkMount(i, &s.Mounts[i]); err != nil {
			return err
		}
	}
	if err := checkHooks(s.Hooks); err != nil {
		return err
	}
	if err := checkNamespaces(s); err != nil {
		return err
	}
	if _, err := asksForOwners(s); err != nil {
		return err
	}
	return unsupported(s)
}

func checkProcess(p *specs.Process) error {
	if !filepath.IsAbs(p.Cwd) {
		return fmt.Errorf("process.cwd: %q is not absolute", p.Cwd)
	}
	if len(p.Args) == 0 {
		return errors.New("process.args: missing")
	}
	if p.Capabilities == nil {
		p.Capabilities = &specs.LinuxCapabilities{} // none, and not those of root
	}
	if len(p.User.Username) > 0 {
		return errors.New("process.user.username: not for Linux")
	}
	seen := map[string]bool{}
	for _, l := range p.Rlimits {
		if seen[l.Type] {
			return fmt.Errorf("process.rlimits: %s is there twice", l.Type)
		}
		seen[l.Type] = true
	}
	return missing(map[string]bool{
		"process.apparmorProfile": p.ApparmorProfile != "" && p.ApparmorProfile != "unconfined",
		"process.selinuxLabel":    p.SelinuxLabel != "",
		"process.scheduler":       p.Scheduler != nil,
		"process.ioPriority":      p.IOPriority != nil,
		"process.execCPUAffinity": p.ExecCPUAffinity != nil,
	})
}

func checkMount(i int, m *specs.Mount) error {
	where := fmt.Sprintf("mounts[%d]", i)
	if m.Destination == "" {
		return errors.New(where + ".destination: missing")
	}
	if isBind(*m) {
		m.Type = "bind"
	}
	for _, o := range m.Options {
		switch o {
		case "idmap", "ridmap", "remount":
			return fmt.Errorf("%s.options: %s is not supported", where, o)
		}
	}
	return missing(map[string]bool{
		where + ".uidMappings": len(m.UIDMappings) > 0,
		where + ".gidMappings": len(m.GIDMappings) > 0,
	})
}

func checkHooks(h *specs.Hooks) error {
	if h == nil {
		return nil
	}
	for kind, list := range hookKinds(h) {
		for i, hook := range list {
			if !filepath.IsAbs(hook.Path) {
				return fmt.Errorf("hooks.%s[%d].path: %q is not absolute", kind, i, hook.Path)
			}
			if hook.Timeout != nil && *hook.Timeout <= 0 {
				return fmt.Errorf("hooks.%s[%d].timeout: must be above 0", kind, i)
			}
		}
	}
	return nil
}

func checkNamespaces(s *specs.Spec) error {
	have := map[specs.LinuxNamespaceType]specs.LinuxNamespace{}
	for _, n := range s.Linux.Namespaces {
		if _, twice := have[n.Type]; twice {
			return fmt.Errorf("linux.namespaces: %s is there twice", n.Type)
		}
		have[n.Type] = n
		switch n.Type {
		case specs.PIDNamespace, specs.NetworkNamespace, specs.MountNamespace, specs.IPCNamespace,
			specs.UTSNamespace, specs.UserNamespace, specs.CgroupNamespace:
		default:
			return fmt.Errorf("linux.namespaces: %q is not supported", n.Type)
		}
	}
	mount, ok := have[specs.MountNamespace]
	if !ok || mount.Path != "" {
		return errors.New("linux.namespaces: a container needs a mount namespace of its own")
	}
	user, ok := have[specs.UserNamespace]
	maps := len(s.Linux.UIDMappings) + len(s.Linux.GIDMappings)
	if ok && user.Path == "" && maps == 0 { // as other rootless runtimes do it
		return defaultMaps(s)
	}
	switch {
	case !ok && maps > 0:
		return errors.New("linux.uidMappings: there is no user namespace to map for")
	case ok && user.Path == "" && (len(s.Linux.UIDMappings) == 0 || len(s.Linux.GIDMappings) == 0):
		return errors.New("linux.uidMappings, linux.gidMappings: missing for a new user namespace")
	case ok && user.Path != "" && maps > 0:
		return errors.New("linux.uidMappings: a user namespace that is joined has its own")
	}
	if _, ok := have[specs.UTSNamespace]; !ok && s.Hostname+s.Domainname != "" {
		return errors.New("hostname: set without a UTS namespace")
	}
	return nil
}

// unsupported names the first thing that is asked for and not to be had.
func unsupported(s *specs.Spec) error {
	l := s.Linux
	if l.Seccomp != nil && (l.Seccomp.ListenerPath != "" || l.Seccomp.ListenerMetadata != "") {
		return errors.New("linux.seccomp.listenerPath: not supported")
	}
	if l.Seccomp != nil && seccomp.Notifies(l.Seccomp) {
		return errors.New("linux.seccomp: SCMP_ACT_NOTIFY: not supported")
	}
	switch l.RootfsPropagation {
	case "", "private", "rprivate", "slave", "rslave", "shared", "rshared", "unbindable", "runbindable":
	default:
		return fmt.Errorf("linux.rootfsPropagation: %q is not known", l.RootfsPropagation)
	}
	return missing(map[string]bool{
		"linux.intelRdt":     l.IntelRdt != nil,
		"linux.mountLabel":   l.MountLabel != "",
		"linux.personality":  l.Personality != nil && l.Personality.Domain != specs.PerLinux,
		"linux.timeOffsets":  len(l.TimeOffsets) > 0,
		"linux.netDevices":   len(l.NetDevices) > 0,
		"linux.memoryPolicy": l.MemoryPolicy != nil,
		"vm":                 s.VM != nil,
	})
}

// missing returns an error for the first field in order of name that is set.
func missing(set map[string]bool) error {
	var names []string
	for name, is := range set {
		if is {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return fmt.Errorf("%s: not supported", slices.Min(names))
}

// defaultMaps gives the caller's own id and the subordinate ones.
func defaultMaps(s *specs.Spec) error {
	m, err := ids.HostMaps()
	if err != nil {
		return err
	}
	s.Linux.UIDMappings, s.Linux.GIDMappings = mappings(m.UID), mappings(m.GID)
	return nil
}

func mappings(from []ids.Map) []specs.LinuxIDMapping {
	var list []specs.LinuxIDMapping
	for _, l := range from {
		list = append(list, specs.LinuxIDMapping{ContainerID: uint32(l.ContainerID), HostID: uint32(l.HostID), Size: uint32(l.Size)})
	}
	return list
}

// maps are those of the user namespace that the container brings; nil without
// one.
func maps(s *specs.Spec) *ids.Maps {
	if len(s.Linux.UIDMappings) == 0 {
		return nil
	}
	var m ids.Maps
	for _, f := range []struct {
		from []specs.LinuxIDMapping
		to   *[]ids.Map
	}{{s.Linux.UIDMappings, &m.UID}, {s.Linux.GIDMappings, &m.GID}} {
		for _, l := range f.from {
			*f.to = append(*f.to, ids.Map{ContainerID: int(l.ContainerID), HostID: int(l.HostID), Size: int(l.Size)})
		}
	}
	return &m
}
