// SPDX-License-Identifier: Apache-2.0

package spec

import "coracle/pkg/ids"

// ResolveUser: see package ids.
func ResolveUser(rootfs, user string, groupAdd []string) (ids.User, string, error) {
	return ids.ResolveUser(rootfs, user, groupAdd)
}
