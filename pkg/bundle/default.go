// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"coracle/pkg/oci/spec"
	"coracle/pkg/state"
)

// WriteDefault writes a config.json that this user can run: a shell in the
// directory rootfs, isolated as a container of coracle run is, with the user's
// own id as root.
func WriteDefault(dir string) error {
	path := filepath.Join(dir, configFile)
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write %s: it is there already", path)
	}
	s, err := spec.New(spec.Options{
		Rootfs: "rootfs", ReadOnlyRootfs: true, Args: []string{"sh"}, Cwd: "/", Terminal: true, Hostname: "coracle", NoNewPrivs: true, Throttle: spec.ThrottleCounters(),
		Env: []string{"PATH=" + spec.DefaultPath, "TERM=xterm"},
	})
	if err != nil {
		return err
	}
	s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
	s.Annotations = map[string]string{OwnersAnnotation: OwnersNoted}
	s.Linux.UIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: uint32(os.Geteuid()), Size: 1}}
	s.Linux.GIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: uint32(os.Getegid()), Size: 1}}
	for i, m := range s.Mounts {
		if m.Type == "devpts" { // gid=5 is not mapped
			s.Mounts[i].Options = m.Options[:len(m.Options)-1]
		}
	}
	data, err := json.MarshalIndent(s, "", "\t")
	if err != nil {
		return err
	}
	return state.WriteVolatile(path, append(data, '\n'), 0o644)
}
