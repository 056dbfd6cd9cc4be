// SPDX-License-Identifier: Apache-2.0

// Package control is BuildKit's interface as Docker's daemon has it at its socket, for
// a builder that is ours: Dockerfiles become requests of package dockerfile, and what
// happens is told of as BuildKit tells.
//
//	buildx                                         coracle api
//	  POST /grpc     ── Control.Solve(ref) ─────►    a job: session, exports
//	                 ── Control.Status(ref) ────►    status.go: ◄── vertexes, logs
//	                 ── LLBBridge.Ping, Solve ──►    attrs.go ─► dockerfile.BuildFor
//	  POST /session  ◄── files, secrets, … ─────     client.go
//	                 ── LLBBridge.Return ───────►    Control.Solve is answered
//
// Who calls Control.Solve with a frontend gets the same without the part in the middle.
// The jobs are those of one connection; sessions are all the engine's, for each has a
// connection of its own.
//
// A definition in BuildKit's own language (LLB) is not carried out, with one exception:
// what a build gives is shown as one that names the image, so that a build that has it
// as a context (bake, and services of compose that stand on each other) finds it.
//
// Sources: BuildKit's api/services/control/control.proto, frontend/gateway/pb/gateway.proto,
// frontend/dockerui/config.go for the attributes, and moby's
// daemon/internal/builder-next for what a daemon's BuildKit answers.
package control
