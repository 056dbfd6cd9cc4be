// SPDX-License-Identifier: Apache-2.0

package paper

import "golang.org/x/sys/unix"

// low asks for memory that 32 bits reach.
const low = unix.MAP_32BIT
