// SPDX-License-Identifier: Apache-2.0

package ns

// The names of the stages, as argv[0]. See the package comment.
const (
	StageWorker    = "coracle-worker"
	StageSupervise = "coracle-supervise"
	StageAPI       = "coracle-api"
	StageKeeper    = "coracle-keeper" // answers for a container of coracle oci with one id
	StageAwait     = "coracle-await"  // until somebody connects, package await
	StageInit      = "coracle-init"
	StageExec      = "coracle-exec"
	StageReap      = "coracle-reap" // pid 1 with --init
)
