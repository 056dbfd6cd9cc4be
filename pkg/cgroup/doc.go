// SPDX-License-Identifier: Apache-2.0

// Package cgroup gives a container a control group of its own: limits,
// statistics, the freezer and a kill that nothing escapes. It knows cgroup v2
// only (cgroups(7), Documentation/admin-guide/cgroup-v2.rst), and works in the
// part of the tree that was delegated to the caller:
//
//	delegated              how it is known                                where groups are made
//	by hand, a container   the caller's own cgroup and perhaps some       below the highest of them
//	manager, a system      ancestors of it belong to the caller
//	unit's Delegate=yes
//	a user unit's          its manager's mark, or what it answers when    that unit's
//	Delegate=yes           it is asked for a service
//	by the user's systemd  a bus of the user answers                      in a scope that it is asked for,
//	                                                                      only when there is a limit to set
//	not at all                                                            nowhere: the caller says so
//
// A cgroup whose controllers are switched on for its children may have no
// process of its own ("no internal processes"), so those that are found in the
// delegated cgroup move to its child coracle-host:
//
//	DELEGATED/coracle-host         the shell, the command, the supervisors
//	DELEGATED/coracle-ID           a container
//
// A cgroup2 tree beside v1 hierarchies (a hybrid host) serves as well, with the
// controllers that it has: the freezer and cgroup.kill belong to none.
package cgroup
