// SPDX-License-Identifier: Apache-2.0

// Package look answers questions about containers in Docker's words: it reads the
// records, finds out what those have only names of (volumes, networks, images, sizes),
// and has package docker make the answers of it.
package look
