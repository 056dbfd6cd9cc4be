// SPDX-License-Identifier: Apache-2.0

// Package load reads Compose files: which there are, with which variables, and
// what they say once they are merged. The reading itself is compose-go's, the
// library of the Compose specification and of docker compose; so are its words
// for mistakes.
//
//	-f, COMPOSE_FILE, compose.yaml here or above ─┐
//	environment, --env-file, .env ────────────────┼─► merged, interpolated, checked ─► *types.Project
//	--profile, COMPOSE_PROFILES, services ────────┘
//
// Whoever runs compose is trusted as whoever runs make is: a file may name any
// other of the user's. What it cannot do is to make the reader run anything.
package load
