// SPDX-License-Identifier: Apache-2.0

// Package kube is what a project means to a Kubernetes cluster: objects of its API as
// YAML, for a stack that outgrows one machine.
//
//	types.Project ─► units ─► Deployment | DaemonSet | Job | Pod
//	    a unit is a pod:      Service              where others find it
//	    a service, those      ConfigMap, Secret    configs, secrets, files, env_file
//	    that share its        PersistentVolumeClaim   named volumes
//	    network, those it
//	    waits for the end of
//
// Whatever cannot be carried over is a [Note], with the service and the key;
// [Keys] is the table of everything that a service can say.
//
//	keys.go       the table
//	units.go      which units there are, and of which kind
//	convert.go    a unit as an object
//	pod.go        what the containers of a pod share
//	container.go  one of them
//	storage.go    volumes, and the objects that files come from
//	service.go    names and ports by which others find a unit
//	object.go     the fields of Kubernetes' objects that are written; names.go: what they may be called
//	write.go      text
//	running.go    a container that is there as a service
//
// The fields are those of the API versions v1, apps/v1 and batch/v1 as of Kubernetes
// 1.34. It is pure: the files of the project are read by a function of the caller's.
package kube
