// SPDX-License-Identifier: Apache-2.0

// Package apicmd is the command api: Docker's HTTP interface for as long as somebody
// needs it (package api), and the ways to it.
package apicmd
