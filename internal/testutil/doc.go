// SPDX-License-Identifier: Apache-2.0

// Package testutil is what tests of several packages share: running a command
// that may hang, waiting for a condition, ports that are free, archives,
// certificates, the program under test, and what a host must have for a package
// to be tested.
//
// It knows no package of coracle, so that each can be tested with it. What needs
// a user namespace of coracle's own stands in testutil/userns.
//
// The environment tells it where it is:
//
//	CORACLE_BIN          the program; without it, it is built
//	CORACLE_FIXTURES     the directory with busybox.tar, python.tar and the examples
//	CORACLE_NO_USERNS=1  this host has no user namespaces: what needs one is skipped
//	CI                   set where packages that cannot be tested are failures
package testutil
