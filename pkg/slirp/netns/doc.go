// SPDX-License-Identifier: Apache-2.0

// Package netns makes network namespaces and runs functions in them
// (network_namespaces(7)). A namespace belongs to a thread, and a thread that
// has been in another one is thrown away.
package netns
