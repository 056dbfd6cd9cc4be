// SPDX-License-Identifier: Apache-2.0

// Package api is Docker's HTTP interface: what comes in by a socket becomes a
// request of package docker, a noun's verb carries it out, and the answer goes out
// as JSON. There is no daemon behind it. A process serves for as long as somebody
// asks it to (`coracle api`), and has no state of its own: two of them, and the
// command line beside them, work on the same files under the same locks.
//
//	client ── POST /v1.44/containers/x/stop?t=5 ──► Engine.ServeHTTP   version, headers, recovery
//	                                                   │ router.go     the table: method, pattern ─► handler
//	                                                   ▼
//	                                               a handler(*call)    form, body, filters ─► a noun's verb
//	client ◄── 204, or {"message": …} ──────────────── its error       docker.KindOf ─► status
//
// Files are one to a group of endpoints (system.go, containers.go, exec.go …);
// each begins with its part of the table.
//
// # To add an endpoint
//
// Write a function of a [call] in the file of its group, and a line for it in the
// group's table (a new group's table is named in [table]):
//
//	{"POST", "/volumes/prune", pruneVolumes, "1.25"},
//
//	func pruneVolumes(c *call) error {
//		f, err := c.filters(func(list []string) (docker.Filters, error) { return docker.VolumePruneFilters(list) })
//		…
//		return c.answer(http.StatusOK, report)
//	}
//
// The function reads the request through the call (name, text, flag, number,
// filters, decode), does its work with the call's context, which ends when the
// client leaves, and answers once (answer, done) or streams ([call.stream],
// [call.hijack]). What it returns as an error is the answer, unless that has begun:
// its kind ([docker.KindOf]) is the status, its text the sentence. Nothing else
// writes headers. A meaning that the command line has too belongs to the noun.
//
// Everything that a client sends is hostile: bodies are bounded (maxBody), and a
// handler that panics answers 500 and is told of on the engine's log.
package api
