// SPDX-License-Identifier: Apache-2.0

// Package kubecmd has the group kube, podman's: containers as objects of Kubernetes.
package kubecmd
