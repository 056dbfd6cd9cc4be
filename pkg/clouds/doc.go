// SPDX-License-Identifier: Apache-2.0

// Package clouds knows the addresses at which providers of machines tell each of
// them its secrets, by their documentation and cloud-init's: to nobody else may a
// container speak there, or a registry lead.
package clouds
