// SPDX-License-Identifier: Apache-2.0

// Package hosts tests the program where hosts give less than others do. Each host
// is made in a user and mount namespace of the test's own, by a script that spoils
// it.
package hosts
