// SPDX-License-Identifier: Apache-2.0

// Package networkcmd has the commands of networks, one a file.
package networkcmd
