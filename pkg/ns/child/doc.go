// SPDX-License-Identifier: Apache-2.0

// Package child is what runs between the fork of a container's process and the
// execve of its program: the init stage, which builds the container's world
// from inside, and the exec stage, which joins one.
//
// The order is fixed by what each step takes away:
//
//  1. read the configuration; everything below happens on one locked thread,
//     for credentials, capabilities and filters belong to threads
//  2. init: cgroup namespace, host name, make mounts private, build /proc, /dev
//     and the rest under the new root, pivot_root; exec: join the mount namespace
//  3. the terminal, made by the container's own devpts
//  4. sysctls, masked and read-only paths, read-only root
//  5. session keyring
//  6. capability bounding set, groups, ids
//  7. limits, which are meant for the program and not for what comes before
//  8. seccomp filter: before the last capabilities go unless
//     no_new_privs is set, for loading it takes CAP_SYS_ADMIN
//  9. capabilities
//  10. tell the parent, wait for its word, execve
//
// With --init the last step is an execve of this program again, under all that
// was set, as the reap stage: pid 1, which forks the program.
//
// Nothing here trusts a path inside the new root: targets are resolved to
// descriptors that cannot leave it, and mounts are attached to descriptors.
package child
