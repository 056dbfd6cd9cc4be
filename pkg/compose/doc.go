// SPDX-License-Identifier: Apache-2.0

// Package compose runs projects: the services, networks and volumes of a Compose
// file, with the containers that coracle has of them already.
//
//	files ── load ──► *types.Project ─┐
//	                                  ├─► Plan: what to make, replace, stop, remove, in which order; pure
//	containers, networks, volumes ────┘     │
//	  by their labels: Observe              ▼
//	                                  carried out: what does not wait for something else at once,
//	                                  then started in the order of depends_on
//
// It is a front door as the command line is: requests in Docker's words (convert)
// go to the verbs of the nouns, and no daemon, socket or other program stands in
// between.
//
//	engine.go   what is worked with, what is told
//	observe.go  what there is of a project
//	plan.go     what is wanted against what there is
//	starts.go   what is started after it, in words
//	carry.go    a plan carried out
//	make.go     one container made, with what belongs into it
//	images.go   images pulled and built
//	start.go    started, and waited for, in the order of depends_on
//	watch.go    what happens to containers, from the journal of events
//	stop.go     stopped, killed, removed, the other way round
//	develop.go sync.go rebuilds.go  what is done when watched files change
//	up.go down.go run.go  the verbs that are more than one of these
//
// Whether a container is healthy, or has ended, is learned from the journal of
// events and then read from its state: nothing is polled.
package compose
