// SPDX-License-Identifier: Apache-2.0

// Package supervise is the process that stays with one container: spawned by
// [container.Store.Launch] in a new user, mount and outer pid namespace, alive
// as long as the container is, and gone with it. Only main.go imports it.
//
// It mounts the root file system, runs the network and the published ports,
// keeps the log, serves the control socket, restarts the process by its
// policy, and writes the container's state, of which it is the only writer.
// It is the init of the outer pid namespace: when it is killed, the kernel
// kills everything in the container with it.
//
// It holds no descriptor and no working directory inside the container's root
// file system, and nothing that comes from the container is executed in it.
package supervise
