// SPDX-License-Identifier: Apache-2.0

// Package containercmd has the commands of containers, one a file: how flags of
// run and create become a request, and how answers become words. Each returns
// its command, for the table of package cli.
package containercmd
