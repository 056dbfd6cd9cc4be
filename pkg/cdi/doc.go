// SPDX-License-Identifier: Apache-2.0

// Package cdi reads specification files of the Container Device Interface
// (tags.cncf.io/container-device-interface, SPEC.md): what a vendor says has to be
// in a container beside a device's nodes, under names like nvidia.com/gpu=0.
//
//	/etc/cdi/*.yaml, *.json ─┐
//	/var/run/cdi             ├─ Load ─► Registry ─ Names, Has
//	$XDG_CONFIG_HOME/cdi     │             └─ Resolve(names) ─► Edits: variables, nodes,
//	$XDG_RUNTIME_DIR/cdi    ─┘                                  mounts, hooks, groups
//
// A file that cannot be read or is not valid gives no devices, and is in Problems;
// the others count. Of two files that describe a device of one name, the one in the
// later directory counts; two in one directory contradict each other, and neither
// does.
//
// Files are bounded in size and read whole; nothing in them is looked up here.
package cdi
