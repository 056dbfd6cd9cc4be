// SPDX-License-Identifier: Apache-2.0

// Package volumecmd has the commands of volumes, one a file.
package volumecmd
