// SPDX-License-Identifier: Apache-2.0

// Package dns answers the questions of a container's resolver: from names that
// are known here, else by passing them on to the servers that the host's
// resolv.conf(5) has. What is passed on is passed on as it is, whatever its type:
// nothing here reads it.
package dns
