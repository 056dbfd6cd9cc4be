// SPDX-License-Identifier: Apache-2.0

// Package host describes this host in Docker's words ([docker.Host]): its system,
// its kernel, and what of cgroups a user without root has on it. It looks at files
// and asks the kernel; what the words mean is pkg/docker's business.
package host
