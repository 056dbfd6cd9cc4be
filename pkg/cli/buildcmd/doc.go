// SPDX-License-Identifier: Apache-2.0

// Package buildcmd has the commands of builds: build with its flags, secrets and
// outputs, the cache, and what buildx is asked for.
package buildcmd
