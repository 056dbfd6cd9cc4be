// SPDX-License-Identifier: Apache-2.0

// Package machine tests the program on a machine of its own: with systemd, its
// users' managers, sessions, delegated cgroups, AppArmor, boots and power cuts.
// Its tests are for root of a machine that hack/test-vm.sh has made: they install
// units, change settings of the kernel and make files. Elsewhere there is nothing
// to run.
//
// CORACLE_MACHINE names the boot whose tests are run; [boots] has them in order.
// The directory CORACLE_KIT has the program, the fixtures and the docs, which are
// carried out as typed.
package machine
