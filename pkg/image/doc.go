// SPDX-License-Identifier: Apache-2.0

// Package image is the noun image: what names mean, and the verbs that change
// that. How an image travels is package oci's, where it lies is package
// overlay's; who uses one, the caller tells ([Users]).
//
//	    name, ID, digest                     events, answers
//	           │                                   ▲
//	 Find, Details, Hold          Pull Push Load Save Import Commit Tag Remove Prune
//	           │                                   │
//	index and details, as files          a worker with the store open,
//	that anybody may read                or the store that is open here
//
// Reading needs no user namespace: a list of all images and a file of each one
// lie beside the store, and are made again should they be older than it. What
// writes the store is carried out by a worker inside the user namespace, and is
// written into the journal there. A verb does not know where it runs, prints
// nothing, and tells its progress as events.
//
// An image is held by the image lock: shared by who makes something of an image
// that must not be gone before it is made ([Store.Hold]), exclusive for who
// changes images.
package image
