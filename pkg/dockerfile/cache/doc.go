// SPDX-License-Identifier: Apache-2.0

// Package cache remembers which layer a step of a build gave: a file for each
// key, with the layer and the time. Losing one costs a rebuild, and whatever
// else lies in its place no more.
//
//	cache.go     keys, records, and how a build finds and keeps them
//	cacheuse.go  what the cache takes, and pruning it
//
// A build holds the lock shared, whoever prunes exclusively: layers that no
// image has yet are not garbage while they are being built on.
package cache
