// SPDX-License-Identifier: Apache-2.0

// Package chroot runs a build's commands where there are no namespaces to be had,
// as inside a container of somebody else: in the tree of the image, by chroot(2),
// as the users that the image names.
//
// Nothing keeps such a command from the processes, the network and, as it is root,
// from the files of the container around: that container is all the isolation
// there is. What other engines mount is put into the tree and taken out again:
//
//	/etc/resolv.conf, hosts    those of the container around, and --add-host
//	/dev                       the devices that every program expects; what is left there goes
//	cache mounts               moved into their place and back
//	other mounts               copies, which are thrown away
//
// There is no /proc and no /sys. One command runs at a time, and whatever it has
// started ends with it.
package chroot
