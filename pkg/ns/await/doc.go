// SPDX-License-Identifier: Apache-2.0

// Package await waits for somebody to connect to a socket, as a process that is
// small, and becomes another stage of this program then. That becomes this one again
// when it has nothing to do. The process stays the same, and with it its children:
//
//	coracle-await ── somebody connects ──► coracle-api
//	  │      ▲                               │
//	  │      └──── nobody asks any more ─────┘
//	  └─ its peer ends: so does it
//
// It begins in package first, before the rest of this program is initialised.
package await
