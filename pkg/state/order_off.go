// SPDX-License-Identifier: Apache-2.0

//go:build !lockorder

package state

// Without the tag lockorder nothing is watched, and nothing is paid: see
// order.go.

func checkOrder(LockFile) {}
func noteHeld(*Lock)      {}
func noteReleased(*Lock)  {}

// MustHoldNone is called by who is about to wait for another process. Of a lock
// that is held meanwhile nobody knows how long it will take.
func MustHoldNone(string) {}
