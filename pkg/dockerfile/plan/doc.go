// SPDX-License-Identifier: Apache-2.0

// Package plan turns a Dockerfile's instructions into a graph of vertices. What
// can be known without looking at a file is decided here: which stages and
// images are needed, what variables stand for, the configuration and the history
// of the image, and which facts decide the result of each vertex. Who carries
// the graph out only makes layers.
//
//	input.go      what a plan is made from
//	needs.go      the stages and images that a target is made of
//	graph.go      the graph, and its printed form
//	outline.go    what can be given to it
//	stage.go      one stage: its base, its instructions, its vertices
//	run.go        RUN and its mounts
//	copy.go       COPY and ADD
//	workdir.go    WORKDIR
//	variables.go  ARG, ENV and expansion; epoch.go, SOURCE_DATE_EPOCH
//	config.go     the instructions that only change the configuration; expose.go
//	names.go      names of images, as they are shown
//
// An instruction that changes files is a vertex, and a layer: none turns out to
// have none. So the history is known before anything runs, and nothing but the
// layers has to come back.
package plan
