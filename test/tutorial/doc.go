// SPDX-License-Identifier: Apache-2.0

// Package tutorial tests coracle as its users meet it: the built program, real
// images, a real registry, real connections. It has no code of its own.
//
// CORACLE_BIN names the program and CORACLE_FIXTURES the directory with
// busybox.tar, python.tar and the examples; hack/test.sh makes both.
package tutorial
