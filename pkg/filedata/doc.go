// SPDX-License-Identifier: Apache-2.0

// Package filedata copies what is in files, and nothing else of them.
package filedata
