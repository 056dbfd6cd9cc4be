// SPDX-License-Identifier: Apache-2.0

// Package timestamppb has nothing in it. `go mod tidy` looks for it on behalf of
// the tests of libraries; see package proto.
package timestamppb
