// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/opencontainers/runtime-spec/specs-go/features"

	"coracle/pkg/mount"
	"coracle/pkg/oci/spec"
)

// Features is what this runtime can do.
func Features() (*features.Features, error) {
	caps, err := spec.Capabilities(nil, nil, true)
	if err != nil {
		return nil, err
	}
	yes, no := true, false
	var kinds []string
	for _, n := range []specs.LinuxNamespaceType{
		specs.CgroupNamespace, specs.IPCNamespace, specs.MountNamespace, specs.NetworkNamespace, specs.PIDNamespace,
		specs.UserNamespace, specs.UTSNamespace,
	} {
		kinds = append(kinds, string(n))
	}
	return &features.Features{
		OCIVersionMin: "1.0.0", OCIVersionMax: specs.Version,
		Hooks:        []string{"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"},
		MountOptions: mount.Options(),
		Linux: &features.Linux{
			Namespaces: kinds, Capabilities: caps.Bounding,
			Cgroup: &features.Cgroup{V1: &no, V2: &yes, Systemd: &no, SystemdUser: &no, Rdma: &no},
			Seccomp: &features.Seccomp{
				Enabled: &yes,
				Actions: actions(specs.ActAllow, specs.ActErrno, specs.ActKill, specs.ActKillProcess, specs.ActKillThread, specs.ActLog, specs.ActTrace, specs.ActTrap),
				Operators: operators(specs.OpEqualTo, specs.OpGreaterEqual, specs.OpGreaterThan, specs.OpLessEqual, specs.OpLessThan,
					specs.OpMaskedEqual, specs.OpNotEqual),
			},
			Apparmor: &features.Apparmor{Enabled: &no}, Selinux: &features.Selinux{Enabled: &no},
			IntelRdt:        &features.IntelRdt{Enabled: &no},
			MountExtensions: &features.MountExtensions{IDMap: &features.IDMap{Enabled: &no}},
		},
	}, nil
}

func actions(list ...specs.LinuxSeccompAction) (names []string) {
	for _, a := range list {
		names = append(names, string(a))
	}
	return names
}

func operators(list ...specs.LinuxSeccompOperator) (names []string) {
	for _, o := range list {
		names = append(names, string(o))
	}
	return names
}
