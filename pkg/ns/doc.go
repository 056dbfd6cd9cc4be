// SPDX-License-Identifier: Apache-2.0

// Package ns makes the user namespace that coracle works in, and starts
// processes in further namespaces from there. It is mechanism: what a
// container may do is decided in package spec and arrives here as an OCI
// runtime spec.
//
// # Stages
//
// A stage is this same binary, executed again under another argv[0]:
//
//	name               spawned by            namespaces held             ends
//	coracle-worker     a command that        user, mount, pid            with its request
//	                   needs other ids
//	coracle-supervise  run, start            user, mount, pid            with its container
//	coracle-keeper     oci create, run, exec  user                       with all that have the filter
//	coracle-init       supervise; a build's  those, and new mount, pid,  by execve of the container's program
//	                   RUN; oci create       net, ipc, uts, cgroup
//	coracle-exec       supervise, oci exec   those of the container      by execve of the program
//	coracle-reap       init, with --init     those of the container      with the program
//
// # Handshake with a new user namespace (Spawn and Begin)
//
//	parent                                     child
//	  clone(NEWUSER|NEWNS|NEWPID), execve  ──►   waits on the sync pipe; it kept all its
//	  newuidmap ∥ newgidmap, or the single        capabilities through execve because they
//	  id written by ourselves                     are ambient (capabilities(7)): no second
//	  one byte                             ──►   execve is needed
//	                                             makes / a slave, drops core dumps and
//	                                             dumpability, goes on
//
// # Handshake with an init or exec stage (StartInit, Join)
//
//	parent                                     child
//	  configuration                        ──►   mounts, pivot_root, terminal …
//	                                       ◄──   ready {host pid} + the terminal's master
//	  one byte                             ──►   execve
//	                                       ◄──   end of file: the program runs
//	                                             or {error}: it does not
//
// A stage that is told to park instead waits for its word from whoever connects
// to its listener (Park, Release). One that is cloned into a user namespace has
// its id maps written before its configuration comes. One whose spec has hooks
// answers once more before pivot_root, and goes on when it is told the state.
//
// A setns(2) into a user namespace is impossible from Go, which is
// multi-threaded from its first instruction: namespaces are cloned into, other
// kinds are joined on a locked thread, and what joins a running container is
// forked by its supervisor, which is in the user namespace already. Only what
// joins from outside, for another engine, is forked by a process without Go's
// runtime (package fork).
package ns
