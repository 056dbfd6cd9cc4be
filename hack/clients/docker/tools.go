//go:build tools

// SPDX-License-Identifier: Apache-2.0

// Package docker has the module that Docker's own command line is built in, for
// tests of the API: it needs a module of its own, since it has none.
package docker

import _ "github.com/docker/cli/cmd/docker"
