// SPDX-License-Identifier: Apache-2.0

// Package mount handles mounts as descriptors (open_tree(2), move_mount(2),
// mount_setattr(2); Linux 5.12): what is to be mounted is looked up once, and
// attached to a target that was looked up once.
package mount
