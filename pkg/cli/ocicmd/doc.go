// SPDX-License-Identifier: Apache-2.0

// Package ocicmd is `coracle oci`, the command line of OCI runtimes; package
// bundle does what it asks for.
package ocicmd
