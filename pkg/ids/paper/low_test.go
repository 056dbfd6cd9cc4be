// SPDX-License-Identifier: Apache-2.0

//go:build !amd64

package paper

const low = 0
