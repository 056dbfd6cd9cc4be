// SPDX-License-Identifier: Apache-2.0

package isolation

// otherCalls: arm64 has no other way into the kernel that is open to 64-bit
// programs.
func otherCalls() []probeCall { return nil }
