// SPDX-License-Identifier: Apache-2.0

// Package isolation tests what a container can see and reach: the built
// program is run as an unprivileged user, and the tests look from inside. The
// names of tests carry the ids of the threat model: R is the setup of a
// container, V are volumes and streams, K is the kernel's surface, M is
// metadata, N is the network. It has no code of its own.
//
// CORACLE_BIN names the program; without it the tests build it. The races run
// 100 rounds, and 2,000 with CORACLE_NIGHTLY=1.
package isolation
