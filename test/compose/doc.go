// SPDX-License-Identifier: Apache-2.0

// Package compose runs projects of services with the program as a user has it: up and
// what comes after, in the order that the file says.
//
// It needs CORACLE_BIN and CORACLE_FIXTURES, see package testutil.
package compose
