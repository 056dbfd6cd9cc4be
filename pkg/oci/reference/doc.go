// SPDX-License-Identifier: Apache-2.0

// Package reference is names of images: their grammar, and how a short one is
// completed, both as Docker has it.
package reference
