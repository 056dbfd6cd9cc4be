//go:build tools

// SPDX-License-Identifier: Apache-2.0

// Package compose has the module that Docker's compose is built in, for tests of
// the API.
package compose

import _ "github.com/docker/compose/v5/cmd"
