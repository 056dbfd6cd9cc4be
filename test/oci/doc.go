// SPDX-License-Identifier: Apache-2.0

// Package oci tests coracle as an OCI runtime: the built program is driven by
// bundles, as an unprivileged user, the way that engines do it. It has no code
// of its own.
//
// CORACLE_BIN names the program; without it the tests build it.
package oci
